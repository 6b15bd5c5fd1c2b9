-- Written by `python -m gateway.store.sql.statements` from gateway/store/sql/statements.py; never by hand.

-- name: key_facts
SELECT api_keys.id, api_keys.user_id, api_keys.name, api_keys.shown_prefix, api_keys.group_id, api_keys.models, api_keys.allowed_ips, api_keys.limits, api_keys.max_budget_usd_micros, api_keys.spent_usd_micros, api_keys.is_blocked, api_keys.expires_at_ms, api_keys.revoked_at_ms, api_keys.created_at_ms, api_keys.last_used_at_ms, users.is_blocked AS is_user_blocked, users.group_id AS own_group_id, users.limits AS user_limits, groups.id AS "group", groups.models AS group_models, groups.limits AS group_limits, groups.ratio_ppm, EXISTS (SELECT memberships.user_id
FROM memberships
WHERE memberships.user_id = users.id AND memberships.group_id = coalesce(api_keys.group_id, users.group_id)) AS is_member, key_secrets.digest, key_secrets.expires_at_ms AS secret_expires_at_ms
FROM api_keys JOIN users ON users.id = api_keys.user_id JOIN groups ON groups.id = coalesce(api_keys.group_id, users.group_id) JOIN key_secrets ON key_secrets.key_id = api_keys.id
WHERE api_keys.id = :key_id;

-- name: session_facts
SELECT sessions.ended_at_ms, sessions.expires_at_ms, users.id, users.username, users.role, users.is_blocked, users.tokens_from_ms, users.limits AS user_limits, groups.id AS "group", groups.models AS group_models, groups.limits AS group_limits, groups.ratio_ppm
FROM sessions JOIN users ON users.id = sessions.user_id JOIN groups ON groups.id = users.group_id
WHERE sessions.id = :session_id;

-- name: wallet
SELECT wallets.balance_usd_micros, (SELECT max(ledger_entries.id) AS max_1
FROM ledger_entries
WHERE ledger_entries.user_id = :user_id) AS last_entry
FROM wallets
WHERE wallets.user_id = :user_id;

-- name: spent
SELECT api_keys.spent_usd_micros
FROM api_keys
WHERE api_keys.id = :key_id;

-- name: day_of_key
SELECT usage_records.created_at_ms - usage_records.created_at_ms % 600000 AS grain_ms, count(*) AS requests, sum(usage_records.prompt_tokens) AS input_tokens, sum(usage_records.completion_tokens) AS output_tokens
FROM usage_records
WHERE usage_records.created_at_ms >= :from_ms AND usage_records.created_at_ms < :until_ms AND usage_records.key_id = :subject GROUP BY usage_records.created_at_ms - usage_records.created_at_ms % 600000 ORDER BY grain_ms;

-- name: day_of_user
SELECT usage_records.created_at_ms - usage_records.created_at_ms % 600000 AS grain_ms, count(*) AS requests, sum(usage_records.prompt_tokens) AS input_tokens, sum(usage_records.completion_tokens) AS output_tokens
FROM usage_records
WHERE usage_records.created_at_ms >= :from_ms AND usage_records.created_at_ms < :until_ms AND usage_records.user_id = :subject GROUP BY usage_records.created_at_ms - usage_records.created_at_ms % 600000 ORDER BY grain_ms;

-- name: day_of_group
SELECT usage_records.created_at_ms - usage_records.created_at_ms % 600000 AS grain_ms, count(*) AS requests, sum(usage_records.prompt_tokens) AS input_tokens, sum(usage_records.completion_tokens) AS output_tokens
FROM usage_records LEFT OUTER JOIN api_keys ON api_keys.id = usage_records.key_id JOIN users ON users.id = usage_records.user_id
WHERE usage_records.created_at_ms >= :from_ms AND usage_records.created_at_ms < :until_ms AND coalesce(api_keys.group_id, users.group_id) = :subject GROUP BY usage_records.created_at_ms - usage_records.created_at_ms % 600000 ORDER BY grain_ms;

-- name: known_usage
SELECT usage_records.id
FROM usage_records
WHERE usage_records.id IN (SELECT anon_1.value
FROM json_each(:ids) AS anon_1);

-- name: enter_usage
INSERT INTO usage_records (id, request_id, user_id, key_id, model, provider, outcome, prompt_tokens, completion_tokens, cached_tokens, cost_usd_micros, latency_ms, is_cached, is_estimate, created_at_ms) VALUES (:id, :request_id, :user_id, :key_id, :model, :provider, :outcome, :prompt_tokens, :completion_tokens, :cached_tokens, :cost_usd_micros, :latency_ms, :is_cached, :is_estimate, :at_ms);

-- name: charge_wallet
UPDATE wallets SET balance_usd_micros=(wallets.balance_usd_micros - :amount) WHERE wallets.user_id = :of_user RETURNING balance_usd_micros;

-- name: enter_ledger
INSERT INTO ledger_entries (user_id, kind, amount_usd_micros, balance_usd_micros, idempotency_key, key_id, note, actor, created_at_ms) VALUES (:user_id, :kind, :amount_usd_micros, :balance_usd_micros, :idempotency_key, :key_id, :note, :actor, :created_at_ms);

-- name: charge_key
UPDATE api_keys SET spent_usd_micros=(api_keys.spent_usd_micros + :amount), last_used_at_ms=:at_ms WHERE api_keys.id = :of_key;

-- name: note_used
UPDATE api_keys SET last_used_at_ms=:at_ms WHERE api_keys.id = :of_key;

-- name: forget_usage
DELETE FROM usage_records WHERE usage_records.id IN (SELECT usage_records.id
FROM usage_records
WHERE usage_records.created_at_ms < :until_ms ORDER BY usage_records.created_at_ms
 LIMIT :count OFFSET 0);
