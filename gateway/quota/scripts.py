"""What the shared store does in one step for a call: reserve, settle, renew. Lua for Valkey and Redis 6 or later.

Rules:
    - The arithmetic is that of `quota.window` and `quota.purses`, on the store's clock: all or nothing.
    - A window is a hash from the start of a grain to what was taken in it; places are a sorted set of
      reservations by the end of their lease; a purse is a hash of its balance and what is held, beside a hash of
      holds and a sorted set of their leases. A purse nobody used for an hour is forgotten, anything else after a day.
    - A settlement is applied once: its id is remembered for longer than anybody tries again, also against a
      reservation that arrives after it (a server that hung reads old connections when it wakes).
    - A purse is born when its balance is put; a cost told to a purse born later is in that balance, or soon in the
      database, and is not taken again.
    - All keys carry one hash tag, so that a script may touch them all: limits live on one primary.
Not here:
    - What is asked (quota.shared).
"""

from __future__ import annotations

ANY = "*"  # a purse whenever it was born

_NOW = """
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000
local ask = cjson.decode(ARGV[1])
"""

_SEEN = """
local function seen(purses)
  local shown = {}
  for at, purse in ipairs(purses) do
    local there = redis.call('HMGET', KEYS[purse[1]], 'balance', 'held', 'born')
    shown[at] = {there[3] or '', tostring(there[1] or '0'), tostring(there[2] or '0')}
  end
  return shown
end
"""

_RELEASE = """
local function expire_holds(purse, holds, leases)
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', leases, '-inf', now)) do
    local amount = redis.call('HGET', holds, id)
    if amount then redis.call('HINCRBY', purse, 'held', -tonumber(amount)) end
    redis.call('HDEL', holds, id)
    redis.call('ZREM', leases, id)
  end
end
"""

RESERVE = (
    _NOW
    + _SEEN
    + _RELEASE
    + """
if redis.call('EXISTS', KEYS[1]) == 1 then return cjson.encode({refused = 'late'}) end
local second = math.floor(now)
local used, booked = {}, {}
local function standings()
  local shown = {}
  for at, window in ipairs(ask.windows) do
    local newest = -1
    for start, _ in pairs(booked[at] or {}) do if start > newest then newest = start end end
    local full_in = newest < 0 and 0 or math.max(0, newest + window[4] - now)
    shown[at] = {used[at] or 0, tostring(full_in)}
  end
  return shown
end
for at, window in ipairs(ask.windows) do
  local oldest, sum, kept = second - window[4], 0, {}
  local flat = redis.call('HGETALL', KEYS[window[1]])
  for i = 1, #flat, 2 do
    local start, amount = tonumber(flat[i]), tonumber(flat[i + 1])
    if start <= oldest then
      redis.call('HDEL', KEYS[window[1]], flat[i])
    else
      kept[start], sum = amount, sum + amount
    end
  end
  used[at], booked[at] = sum, kept
end
for at, place in ipairs(ask.places) do
  redis.call('ZREMRANGEBYSCORE', KEYS[place[1]], '-inf', now)
  if place[2] >= 0 and redis.call('ZCARD', KEYS[place[1]]) >= place[2] then
    return cjson.encode({refused = 'place', at = at, windows = standings()})
  end
end
for at, window in ipairs(ask.windows) do
  local excess = used[at] + window[2] - window[3]
  if excess > 0 then
    local starts, wait = {}, window[4]
    for start, _ in pairs(booked[at]) do starts[#starts + 1] = start end
    table.sort(starts)
    for _, start in ipairs(starts) do
      excess = excess - booked[at][start]
      if excess <= 0 then wait = math.max(0, start + window[4] - now); break end
    end
    return cjson.encode({refused = 'window', at = at, wait_s = tostring(wait), windows = standings()})
  end
end
local unknown = {}
for at, purse in ipairs(ask.purses) do
  local balance = redis.call('HGET', KEYS[purse[1]], 'balance')
  if not balance then
    unknown[#unknown + 1] = at
  else
    expire_holds(KEYS[purse[1]], KEYS[purse[2]], KEYS[purse[3]])
    local held = tonumber(redis.call('HGET', KEYS[purse[1]], 'held') or '0')
    if purse[4] > 0 and tonumber(balance) - held < purse[4] then
      return cjson.encode({refused = 'purse', at = at, windows = standings()})
    end
  end
end
if #unknown > 0 then return cjson.encode({refused = 'unknown', unknown = unknown}) end
local starts = {}
for at, window in ipairs(ask.windows) do
  local start = second - second % window[5]
  redis.call('HINCRBY', KEYS[window[1]], start, window[2])
  redis.call('EXPIRE', KEYS[window[1]], window[4] + window[5])
  booked[at][start], used[at], starts[at] = (booked[at][start] or 0) + window[2], used[at] + window[2], start
end
for _, place in ipairs(ask.places) do
  redis.call('ZADD', KEYS[place[1]], now + ask.lease_s, ask.id)
  redis.call('EXPIRE', KEYS[place[1]], math.ceil(ask.lease_s) + 60)
end
for _, purse in ipairs(ask.purses) do
  local amount = purse[4]
  if purse[5] > 0 then
    local there = redis.call('HMGET', KEYS[purse[1]], 'balance', 'held')
    if tonumber(there[1]) - tonumber(there[2] or '0') > purse[5] * amount then amount = 0 end
  end
  redis.call('HINCRBY', KEYS[purse[1]], 'held', amount)
  redis.call('HSET', KEYS[purse[2]], ask.id, amount)
  redis.call('ZADD', KEYS[purse[3]], now + ask.lease_s, ask.id)
  for i = 1, 3 do redis.call('EXPIRE', KEYS[purse[i]], 3600) end
end
return cjson.encode({starts = starts, windows = standings(), purses = seen(ask.purses)})
"""
)

SETTLE = (
    _NOW
    + _SEEN
    + """
if not redis.call('SET', KEYS[1], '1', 'NX', 'EX', 3600) then return cjson.encode({}) end
for _, window in ipairs(ask.windows) do
  if redis.call('HEXISTS', KEYS[window[1]], window[2]) == 1 then
    redis.call('HINCRBY', KEYS[window[1]], window[2], window[3])
  end
end
for _, key in ipairs(ask.places) do redis.call('ZREM', KEYS[key], ask.id) end
for _, purse in ipairs(ask.purses) do
  if redis.call('ZREM', KEYS[purse[3]], ask.id) == 1 then
    local amount = redis.call('HGET', KEYS[purse[2]], ask.id)
    if amount then redis.call('HINCRBY', KEYS[purse[1]], 'held', -tonumber(amount)) end
    redis.call('HDEL', KEYS[purse[2]], ask.id)
  end
  local born = redis.call('HGET', KEYS[purse[1]], 'born')
  if born and (born == purse[5] or purse[5] == '*') then
    redis.call('HINCRBY', KEYS[purse[1]], 'balance', -purse[4])
  end
end
return cjson.encode({purses = seen(ask.purses)})
"""
)

RENEW = (
    _NOW
    + """
for at, key in ipairs(KEYS) do
  for _, id in ipairs(ask.ids[at] or {}) do redis.call('ZADD', key, 'XX', now + ask.lease_s, id) end
  redis.call('EXPIRE', key, math.ceil(ask.lease_s) + 3600)
end
return 1
"""
)

PUT = """
if redis.call('HSETNX', KEYS[1], 'balance', ARGV[1]) == 1 then
  redis.call('HSET', KEYS[1], 'as_of', ARGV[2], 'born', ARGV[3])
  redis.call('EXPIRE', KEYS[1], 3600)
end
return 1
"""

ADD = """
if not redis.call('SET', KEYS[1], '1', 'NX', 'EX', 86400) then return 0 end
local known = redis.call('HMGET', KEYS[2], 'balance', 'as_of')
if not known[1] or tonumber(known[2] or '0') >= tonumber(ARGV[2]) then return 0 end
redis.call('HINCRBY', KEYS[2], 'balance', ARGV[1])
return 1
"""
