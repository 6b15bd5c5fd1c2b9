from gateway.wire.pb import models_pb2 as _models_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class User(_message.Message):
    __slots__ = ("id", "email", "username", "role", "group", "is_blocked", "limits", "created_at_ms", "last_login_at_ms", "wallet")
    class LimitsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    ID_FIELD_NUMBER: _ClassVar[int]
    EMAIL_FIELD_NUMBER: _ClassVar[int]
    USERNAME_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    IS_BLOCKED_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_MS_FIELD_NUMBER: _ClassVar[int]
    LAST_LOGIN_AT_MS_FIELD_NUMBER: _ClassVar[int]
    WALLET_FIELD_NUMBER: _ClassVar[int]
    id: str
    email: str
    username: str
    role: str
    group: str
    is_blocked: bool
    limits: _containers.ScalarMap[str, int]
    created_at_ms: int
    last_login_at_ms: int
    wallet: Wallet
    def __init__(self, id: _Optional[str] = ..., email: _Optional[str] = ..., username: _Optional[str] = ..., role: _Optional[str] = ..., group: _Optional[str] = ..., is_blocked: _Optional[bool] = ..., limits: _Optional[_Mapping[str, int]] = ..., created_at_ms: _Optional[int] = ..., last_login_at_ms: _Optional[int] = ..., wallet: _Optional[_Union[Wallet, _Mapping]] = ...) -> None: ...

class RegisterRequest(_message.Message):
    __slots__ = ("email", "password", "username", "invitation")
    EMAIL_FIELD_NUMBER: _ClassVar[int]
    PASSWORD_FIELD_NUMBER: _ClassVar[int]
    USERNAME_FIELD_NUMBER: _ClassVar[int]
    INVITATION_FIELD_NUMBER: _ClassVar[int]
    email: str
    password: str
    username: str
    invitation: str
    def __init__(self, email: _Optional[str] = ..., password: _Optional[str] = ..., username: _Optional[str] = ..., invitation: _Optional[str] = ...) -> None: ...

class LogInRequest(_message.Message):
    __slots__ = ("email", "password")
    EMAIL_FIELD_NUMBER: _ClassVar[int]
    PASSWORD_FIELD_NUMBER: _ClassVar[int]
    email: str
    password: str
    def __init__(self, email: _Optional[str] = ..., password: _Optional[str] = ...) -> None: ...

class RefreshSessionRequest(_message.Message):
    __slots__ = ("refresh_token",)
    REFRESH_TOKEN_FIELD_NUMBER: _ClassVar[int]
    refresh_token: str
    def __init__(self, refresh_token: _Optional[str] = ...) -> None: ...

class Session(_message.Message):
    __slots__ = ("token", "refresh_token", "expires_at_ms", "user")
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    REFRESH_TOKEN_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_MS_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    token: str
    refresh_token: str
    expires_at_ms: int
    user: User
    def __init__(self, token: _Optional[str] = ..., refresh_token: _Optional[str] = ..., expires_at_ms: _Optional[int] = ..., user: _Optional[_Union[User, _Mapping]] = ...) -> None: ...

class LogOutRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class LogOutReply(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ChangePasswordRequest(_message.Message):
    __slots__ = ("old_password", "new_password")
    OLD_PASSWORD_FIELD_NUMBER: _ClassVar[int]
    NEW_PASSWORD_FIELD_NUMBER: _ClassVar[int]
    old_password: str
    new_password: str
    def __init__(self, old_password: _Optional[str] = ..., new_password: _Optional[str] = ...) -> None: ...

class ChangePasswordReply(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetMeRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ApiKey(_message.Message):
    __slots__ = ("id", "key", "key_prefix", "user_id", "name", "group", "allowed_models", "allowed_ips", "limits", "max_budget_usd_micros", "spent_usd_micros", "is_blocked", "is_revoked", "expires_at_ms", "created_at_ms", "last_used_at_ms")
    class LimitsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    ID_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    KEY_PREFIX_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    ALLOWED_MODELS_FIELD_NUMBER: _ClassVar[int]
    ALLOWED_IPS_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    MAX_BUDGET_USD_MICROS_FIELD_NUMBER: _ClassVar[int]
    SPENT_USD_MICROS_FIELD_NUMBER: _ClassVar[int]
    IS_BLOCKED_FIELD_NUMBER: _ClassVar[int]
    IS_REVOKED_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_MS_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_MS_FIELD_NUMBER: _ClassVar[int]
    LAST_USED_AT_MS_FIELD_NUMBER: _ClassVar[int]
    id: str
    key: str
    key_prefix: str
    user_id: str
    name: str
    group: str
    allowed_models: _containers.RepeatedScalarFieldContainer[str]
    allowed_ips: _containers.RepeatedScalarFieldContainer[str]
    limits: _containers.ScalarMap[str, int]
    max_budget_usd_micros: int
    spent_usd_micros: int
    is_blocked: bool
    is_revoked: bool
    expires_at_ms: int
    created_at_ms: int
    last_used_at_ms: int
    def __init__(self, id: _Optional[str] = ..., key: _Optional[str] = ..., key_prefix: _Optional[str] = ..., user_id: _Optional[str] = ..., name: _Optional[str] = ..., group: _Optional[str] = ..., allowed_models: _Optional[_Iterable[str]] = ..., allowed_ips: _Optional[_Iterable[str]] = ..., limits: _Optional[_Mapping[str, int]] = ..., max_budget_usd_micros: _Optional[int] = ..., spent_usd_micros: _Optional[int] = ..., is_blocked: _Optional[bool] = ..., is_revoked: _Optional[bool] = ..., expires_at_ms: _Optional[int] = ..., created_at_ms: _Optional[int] = ..., last_used_at_ms: _Optional[int] = ...) -> None: ...

class CreateKeyRequest(_message.Message):
    __slots__ = ("name", "user_id", "group", "allowed_models", "allowed_ips", "limits", "max_budget_usd_micros", "expires_at_ms", "profile")
    class LimitsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    NAME_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    ALLOWED_MODELS_FIELD_NUMBER: _ClassVar[int]
    ALLOWED_IPS_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    MAX_BUDGET_USD_MICROS_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_MS_FIELD_NUMBER: _ClassVar[int]
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    name: str
    user_id: str
    group: str
    allowed_models: _containers.RepeatedScalarFieldContainer[str]
    allowed_ips: _containers.RepeatedScalarFieldContainer[str]
    limits: _containers.ScalarMap[str, int]
    max_budget_usd_micros: int
    expires_at_ms: int
    profile: str
    def __init__(self, name: _Optional[str] = ..., user_id: _Optional[str] = ..., group: _Optional[str] = ..., allowed_models: _Optional[_Iterable[str]] = ..., allowed_ips: _Optional[_Iterable[str]] = ..., limits: _Optional[_Mapping[str, int]] = ..., max_budget_usd_micros: _Optional[int] = ..., expires_at_ms: _Optional[int] = ..., profile: _Optional[str] = ...) -> None: ...

class ListKeysRequest(_message.Message):
    __slots__ = ("user_id", "page_size", "page_token")
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    page_size: int
    page_token: str
    def __init__(self, user_id: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListKeysReply(_message.Message):
    __slots__ = ("keys", "next_page_token")
    KEYS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    keys: _containers.RepeatedCompositeFieldContainer[ApiKey]
    next_page_token: str
    def __init__(self, keys: _Optional[_Iterable[_Union[ApiKey, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class GetKeyRequest(_message.Message):
    __slots__ = ("id",)
    ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    def __init__(self, id: _Optional[str] = ...) -> None: ...

class Texts(_message.Message):
    __slots__ = ("values",)
    VALUES_FIELD_NUMBER: _ClassVar[int]
    values: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, values: _Optional[_Iterable[str]] = ...) -> None: ...

class LimitSet(_message.Message):
    __slots__ = ("limits",)
    class LimitsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    limits: _containers.ScalarMap[str, int]
    def __init__(self, limits: _Optional[_Mapping[str, int]] = ...) -> None: ...

class UpdateKeyRequest(_message.Message):
    __slots__ = ("id", "name", "group", "allowed_models", "allowed_ips", "limits", "max_budget_usd_micros", "expires_at_ms", "is_blocked", "clear")
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    ALLOWED_MODELS_FIELD_NUMBER: _ClassVar[int]
    ALLOWED_IPS_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    MAX_BUDGET_USD_MICROS_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_MS_FIELD_NUMBER: _ClassVar[int]
    IS_BLOCKED_FIELD_NUMBER: _ClassVar[int]
    CLEAR_FIELD_NUMBER: _ClassVar[int]
    id: str
    name: str
    group: str
    allowed_models: Texts
    allowed_ips: Texts
    limits: LimitSet
    max_budget_usd_micros: int
    expires_at_ms: int
    is_blocked: bool
    clear: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, id: _Optional[str] = ..., name: _Optional[str] = ..., group: _Optional[str] = ..., allowed_models: _Optional[_Union[Texts, _Mapping]] = ..., allowed_ips: _Optional[_Union[Texts, _Mapping]] = ..., limits: _Optional[_Union[LimitSet, _Mapping]] = ..., max_budget_usd_micros: _Optional[int] = ..., expires_at_ms: _Optional[int] = ..., is_blocked: _Optional[bool] = ..., clear: _Optional[_Iterable[str]] = ...) -> None: ...

class RotateKeyRequest(_message.Message):
    __slots__ = ("id", "overlap_s")
    ID_FIELD_NUMBER: _ClassVar[int]
    OVERLAP_S_FIELD_NUMBER: _ClassVar[int]
    id: str
    overlap_s: int
    def __init__(self, id: _Optional[str] = ..., overlap_s: _Optional[int] = ...) -> None: ...

class RevokeKeyRequest(_message.Message):
    __slots__ = ("id",)
    ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    def __init__(self, id: _Optional[str] = ...) -> None: ...

class Wallet(_message.Message):
    __slots__ = ("user_id", "balance_usd_micros", "held_usd_micros")
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    BALANCE_USD_MICROS_FIELD_NUMBER: _ClassVar[int]
    HELD_USD_MICROS_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    balance_usd_micros: int
    held_usd_micros: int
    def __init__(self, user_id: _Optional[str] = ..., balance_usd_micros: _Optional[int] = ..., held_usd_micros: _Optional[int] = ...) -> None: ...

class GetWalletRequest(_message.Message):
    __slots__ = ("user_id",)
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    def __init__(self, user_id: _Optional[str] = ...) -> None: ...

class LedgerEntry(_message.Message):
    __slots__ = ("id", "kind", "amount_usd_micros", "balance_usd_micros", "idempotency_key", "key_id", "note", "actor", "created_at_ms")
    ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_USD_MICROS_FIELD_NUMBER: _ClassVar[int]
    BALANCE_USD_MICROS_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    KEY_ID_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_MS_FIELD_NUMBER: _ClassVar[int]
    id: int
    kind: str
    amount_usd_micros: int
    balance_usd_micros: int
    idempotency_key: str
    key_id: str
    note: str
    actor: str
    created_at_ms: int
    def __init__(self, id: _Optional[int] = ..., kind: _Optional[str] = ..., amount_usd_micros: _Optional[int] = ..., balance_usd_micros: _Optional[int] = ..., idempotency_key: _Optional[str] = ..., key_id: _Optional[str] = ..., note: _Optional[str] = ..., actor: _Optional[str] = ..., created_at_ms: _Optional[int] = ...) -> None: ...

class ListLedgerRequest(_message.Message):
    __slots__ = ("user_id", "page_size", "page_token")
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    page_size: int
    page_token: str
    def __init__(self, user_id: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListLedgerReply(_message.Message):
    __slots__ = ("entries", "next_page_token")
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    entries: _containers.RepeatedCompositeFieldContainer[LedgerEntry]
    next_page_token: str
    def __init__(self, entries: _Optional[_Iterable[_Union[LedgerEntry, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class RedeemRequest(_message.Message):
    __slots__ = ("code",)
    CODE_FIELD_NUMBER: _ClassVar[int]
    code: str
    def __init__(self, code: _Optional[str] = ...) -> None: ...

class GetUsageRequest(_message.Message):
    __slots__ = ("by", "user_id", "from_ms", "until_ms", "is_of_everybody")
    BY_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    FROM_MS_FIELD_NUMBER: _ClassVar[int]
    UNTIL_MS_FIELD_NUMBER: _ClassVar[int]
    IS_OF_EVERYBODY_FIELD_NUMBER: _ClassVar[int]
    by: str
    user_id: str
    from_ms: int
    until_ms: int
    is_of_everybody: bool
    def __init__(self, by: _Optional[str] = ..., user_id: _Optional[str] = ..., from_ms: _Optional[int] = ..., until_ms: _Optional[int] = ..., is_of_everybody: _Optional[bool] = ...) -> None: ...

class GetUsageReply(_message.Message):
    __slots__ = ("sums",)
    SUMS_FIELD_NUMBER: _ClassVar[int]
    sums: _containers.RepeatedCompositeFieldContainer[UsageSum]
    def __init__(self, sums: _Optional[_Iterable[_Union[UsageSum, _Mapping]]] = ...) -> None: ...

class UsageSum(_message.Message):
    __slots__ = ("of", "calls", "prompt_tokens", "completion_tokens", "cost_usd_micros")
    OF_FIELD_NUMBER: _ClassVar[int]
    CALLS_FIELD_NUMBER: _ClassVar[int]
    PROMPT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    COMPLETION_TOKENS_FIELD_NUMBER: _ClassVar[int]
    COST_USD_MICROS_FIELD_NUMBER: _ClassVar[int]
    of: str
    calls: int
    prompt_tokens: int
    completion_tokens: int
    cost_usd_micros: int
    def __init__(self, of: _Optional[str] = ..., calls: _Optional[int] = ..., prompt_tokens: _Optional[int] = ..., completion_tokens: _Optional[int] = ..., cost_usd_micros: _Optional[int] = ...) -> None: ...

class ListCallsRequest(_message.Message):
    __slots__ = ("user_id", "is_of_everybody", "key_id", "model", "from_ms", "until_ms", "page_size", "page_token")
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    IS_OF_EVERYBODY_FIELD_NUMBER: _ClassVar[int]
    KEY_ID_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    FROM_MS_FIELD_NUMBER: _ClassVar[int]
    UNTIL_MS_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    is_of_everybody: bool
    key_id: str
    model: str
    from_ms: int
    until_ms: int
    page_size: int
    page_token: str
    def __init__(self, user_id: _Optional[str] = ..., is_of_everybody: _Optional[bool] = ..., key_id: _Optional[str] = ..., model: _Optional[str] = ..., from_ms: _Optional[int] = ..., until_ms: _Optional[int] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListCallsReply(_message.Message):
    __slots__ = ("calls", "next_page_token")
    CALLS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    calls: _containers.RepeatedCompositeFieldContainer[CallRecord]
    next_page_token: str
    def __init__(self, calls: _Optional[_Iterable[_Union[CallRecord, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class CallRecord(_message.Message):
    __slots__ = ("id", "request_id", "user_id", "key_id", "model", "provider", "outcome", "prompt_tokens", "completion_tokens", "cached_tokens", "cost_usd_micros", "milliseconds", "is_cached", "is_estimate", "created_at_ms")
    ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    KEY_ID_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    PROMPT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    COMPLETION_TOKENS_FIELD_NUMBER: _ClassVar[int]
    CACHED_TOKENS_FIELD_NUMBER: _ClassVar[int]
    COST_USD_MICROS_FIELD_NUMBER: _ClassVar[int]
    MILLISECONDS_FIELD_NUMBER: _ClassVar[int]
    IS_CACHED_FIELD_NUMBER: _ClassVar[int]
    IS_ESTIMATE_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_MS_FIELD_NUMBER: _ClassVar[int]
    id: str
    request_id: str
    user_id: str
    key_id: str
    model: str
    provider: str
    outcome: str
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    cost_usd_micros: int
    milliseconds: int
    is_cached: bool
    is_estimate: bool
    created_at_ms: int
    def __init__(self, id: _Optional[str] = ..., request_id: _Optional[str] = ..., user_id: _Optional[str] = ..., key_id: _Optional[str] = ..., model: _Optional[str] = ..., provider: _Optional[str] = ..., outcome: _Optional[str] = ..., prompt_tokens: _Optional[int] = ..., completion_tokens: _Optional[int] = ..., cached_tokens: _Optional[int] = ..., cost_usd_micros: _Optional[int] = ..., milliseconds: _Optional[int] = ..., is_cached: _Optional[bool] = ..., is_estimate: _Optional[bool] = ..., created_at_ms: _Optional[int] = ...) -> None: ...

class GetBillingRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Billing(_message.Message):
    __slots__ = ("remaining_usd_micros", "used_usd_micros", "is_unlimited", "expires_at_ms", "calls")
    REMAINING_USD_MICROS_FIELD_NUMBER: _ClassVar[int]
    USED_USD_MICROS_FIELD_NUMBER: _ClassVar[int]
    IS_UNLIMITED_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_MS_FIELD_NUMBER: _ClassVar[int]
    CALLS_FIELD_NUMBER: _ClassVar[int]
    remaining_usd_micros: int
    used_usd_micros: int
    is_unlimited: bool
    expires_at_ms: int
    calls: int
    def __init__(self, remaining_usd_micros: _Optional[int] = ..., used_usd_micros: _Optional[int] = ..., is_unlimited: _Optional[bool] = ..., expires_at_ms: _Optional[int] = ..., calls: _Optional[int] = ...) -> None: ...

class ListPricesRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListPricesReply(_message.Message):
    __slots__ = ("models", "groups")
    MODELS_FIELD_NUMBER: _ClassVar[int]
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    models: _containers.RepeatedCompositeFieldContainer[ModelPrice]
    groups: _containers.RepeatedCompositeFieldContainer[PriceGroup]
    def __init__(self, models: _Optional[_Iterable[_Union[ModelPrice, _Mapping]]] = ..., groups: _Optional[_Iterable[_Union[PriceGroup, _Mapping]]] = ...) -> None: ...

class ModelPrice(_message.Message):
    __slots__ = ("model", "call_usd_micros", "groups")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    CALL_USD_MICROS_FIELD_NUMBER: _ClassVar[int]
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    model: _models_pb2.Model
    call_usd_micros: int
    groups: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, model: _Optional[_Union[_models_pb2.Model, _Mapping]] = ..., call_usd_micros: _Optional[int] = ..., groups: _Optional[_Iterable[str]] = ...) -> None: ...

class PriceGroup(_message.Message):
    __slots__ = ("id", "name", "ratio_ppm")
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    RATIO_PPM_FIELD_NUMBER: _ClassVar[int]
    id: str
    name: str
    ratio_ppm: int
    def __init__(self, id: _Optional[str] = ..., name: _Optional[str] = ..., ratio_ppm: _Optional[int] = ...) -> None: ...

class GetStatsRequest(_message.Message):
    __slots__ = ("from_ms",)
    FROM_MS_FIELD_NUMBER: _ClassVar[int]
    from_ms: int
    def __init__(self, from_ms: _Optional[int] = ...) -> None: ...

class Stats(_message.Message):
    __slots__ = ("calls", "prompt_tokens", "completion_tokens", "cost_usd_micros", "average_milliseconds", "cache_hit_rate", "by_model", "by_provider", "recent", "providers", "is_cache_enabled")
    CALLS_FIELD_NUMBER: _ClassVar[int]
    PROMPT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    COMPLETION_TOKENS_FIELD_NUMBER: _ClassVar[int]
    COST_USD_MICROS_FIELD_NUMBER: _ClassVar[int]
    AVERAGE_MILLISECONDS_FIELD_NUMBER: _ClassVar[int]
    CACHE_HIT_RATE_FIELD_NUMBER: _ClassVar[int]
    BY_MODEL_FIELD_NUMBER: _ClassVar[int]
    BY_PROVIDER_FIELD_NUMBER: _ClassVar[int]
    RECENT_FIELD_NUMBER: _ClassVar[int]
    PROVIDERS_FIELD_NUMBER: _ClassVar[int]
    IS_CACHE_ENABLED_FIELD_NUMBER: _ClassVar[int]
    calls: int
    prompt_tokens: int
    completion_tokens: int
    cost_usd_micros: int
    average_milliseconds: float
    cache_hit_rate: float
    by_model: _containers.RepeatedCompositeFieldContainer[UsageSum]
    by_provider: _containers.RepeatedCompositeFieldContainer[UsageSum]
    recent: _containers.RepeatedCompositeFieldContainer[CallRecord]
    providers: _containers.RepeatedCompositeFieldContainer[ProviderHealth]
    is_cache_enabled: bool
    def __init__(self, calls: _Optional[int] = ..., prompt_tokens: _Optional[int] = ..., completion_tokens: _Optional[int] = ..., cost_usd_micros: _Optional[int] = ..., average_milliseconds: _Optional[float] = ..., cache_hit_rate: _Optional[float] = ..., by_model: _Optional[_Iterable[_Union[UsageSum, _Mapping]]] = ..., by_provider: _Optional[_Iterable[_Union[UsageSum, _Mapping]]] = ..., recent: _Optional[_Iterable[_Union[CallRecord, _Mapping]]] = ..., providers: _Optional[_Iterable[_Union[ProviderHealth, _Mapping]]] = ..., is_cache_enabled: _Optional[bool] = ...) -> None: ...

class ProviderHealth(_message.Message):
    __slots__ = ("provider", "models", "is_available", "completed", "failed", "milliseconds")
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    MODELS_FIELD_NUMBER: _ClassVar[int]
    IS_AVAILABLE_FIELD_NUMBER: _ClassVar[int]
    COMPLETED_FIELD_NUMBER: _ClassVar[int]
    FAILED_FIELD_NUMBER: _ClassVar[int]
    MILLISECONDS_FIELD_NUMBER: _ClassVar[int]
    provider: str
    models: _containers.RepeatedScalarFieldContainer[str]
    is_available: bool
    completed: int
    failed: int
    milliseconds: int
    def __init__(self, provider: _Optional[str] = ..., models: _Optional[_Iterable[str]] = ..., is_available: _Optional[bool] = ..., completed: _Optional[int] = ..., failed: _Optional[int] = ..., milliseconds: _Optional[int] = ...) -> None: ...

class CreateUserRequest(_message.Message):
    __slots__ = ("email", "password", "username", "role", "group")
    EMAIL_FIELD_NUMBER: _ClassVar[int]
    PASSWORD_FIELD_NUMBER: _ClassVar[int]
    USERNAME_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    email: str
    password: str
    username: str
    role: str
    group: str
    def __init__(self, email: _Optional[str] = ..., password: _Optional[str] = ..., username: _Optional[str] = ..., role: _Optional[str] = ..., group: _Optional[str] = ...) -> None: ...

class ListUsersRequest(_message.Message):
    __slots__ = ("page_size", "page_token", "contains")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    CONTAINS_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    contains: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., contains: _Optional[str] = ...) -> None: ...

class ListUsersReply(_message.Message):
    __slots__ = ("users", "next_page_token")
    USERS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    users: _containers.RepeatedCompositeFieldContainer[User]
    next_page_token: str
    def __init__(self, users: _Optional[_Iterable[_Union[User, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class GetUserRequest(_message.Message):
    __slots__ = ("id",)
    ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    def __init__(self, id: _Optional[str] = ...) -> None: ...

class UpdateUserRequest(_message.Message):
    __slots__ = ("id", "username", "role", "group", "is_blocked", "limits", "password")
    ID_FIELD_NUMBER: _ClassVar[int]
    USERNAME_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    IS_BLOCKED_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    PASSWORD_FIELD_NUMBER: _ClassVar[int]
    id: str
    username: str
    role: str
    group: str
    is_blocked: bool
    limits: LimitSet
    password: str
    def __init__(self, id: _Optional[str] = ..., username: _Optional[str] = ..., role: _Optional[str] = ..., group: _Optional[str] = ..., is_blocked: _Optional[bool] = ..., limits: _Optional[_Union[LimitSet, _Mapping]] = ..., password: _Optional[str] = ...) -> None: ...

class ChangeWalletRequest(_message.Message):
    __slots__ = ("user_id", "kind", "amount_usd_micros", "idempotency_key", "note")
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_USD_MICROS_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    kind: str
    amount_usd_micros: int
    idempotency_key: str
    note: str
    def __init__(self, user_id: _Optional[str] = ..., kind: _Optional[str] = ..., amount_usd_micros: _Optional[int] = ..., idempotency_key: _Optional[str] = ..., note: _Optional[str] = ...) -> None: ...

class SetMemberRequest(_message.Message):
    __slots__ = ("user_id", "group", "is_member")
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    IS_MEMBER_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    group: str
    is_member: bool
    def __init__(self, user_id: _Optional[str] = ..., group: _Optional[str] = ..., is_member: _Optional[bool] = ...) -> None: ...

class SetMemberReply(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Group(_message.Message):
    __slots__ = ("id", "name", "ratio_ppm", "models", "limits", "created_at_ms")
    class LimitsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    RATIO_PPM_FIELD_NUMBER: _ClassVar[int]
    MODELS_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_MS_FIELD_NUMBER: _ClassVar[int]
    id: str
    name: str
    ratio_ppm: int
    models: _containers.RepeatedScalarFieldContainer[str]
    limits: _containers.ScalarMap[str, int]
    created_at_ms: int
    def __init__(self, id: _Optional[str] = ..., name: _Optional[str] = ..., ratio_ppm: _Optional[int] = ..., models: _Optional[_Iterable[str]] = ..., limits: _Optional[_Mapping[str, int]] = ..., created_at_ms: _Optional[int] = ...) -> None: ...

class ListGroupsRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListGroupsReply(_message.Message):
    __slots__ = ("groups", "next_page_token")
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    groups: _containers.RepeatedCompositeFieldContainer[Group]
    next_page_token: str
    def __init__(self, groups: _Optional[_Iterable[_Union[Group, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class PutGroupRequest(_message.Message):
    __slots__ = ("id", "name", "ratio_ppm", "models", "limits")
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    RATIO_PPM_FIELD_NUMBER: _ClassVar[int]
    MODELS_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    id: str
    name: str
    ratio_ppm: int
    models: Texts
    limits: LimitSet
    def __init__(self, id: _Optional[str] = ..., name: _Optional[str] = ..., ratio_ppm: _Optional[int] = ..., models: _Optional[_Union[Texts, _Mapping]] = ..., limits: _Optional[_Union[LimitSet, _Mapping]] = ...) -> None: ...

class DeleteGroupRequest(_message.Message):
    __slots__ = ("id",)
    ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    def __init__(self, id: _Optional[str] = ...) -> None: ...

class DeleteGroupReply(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class CreateCodesRequest(_message.Message):
    __slots__ = ("count", "name", "amount_usd_micros", "expires_at_ms")
    COUNT_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_USD_MICROS_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_MS_FIELD_NUMBER: _ClassVar[int]
    count: int
    name: str
    amount_usd_micros: int
    expires_at_ms: int
    def __init__(self, count: _Optional[int] = ..., name: _Optional[str] = ..., amount_usd_micros: _Optional[int] = ..., expires_at_ms: _Optional[int] = ...) -> None: ...

class MadeCode(_message.Message):
    __slots__ = ("id", "code")
    ID_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    id: str
    code: str
    def __init__(self, id: _Optional[str] = ..., code: _Optional[str] = ...) -> None: ...

class CreateCodesReply(_message.Message):
    __slots__ = ("codes",)
    CODES_FIELD_NUMBER: _ClassVar[int]
    codes: _containers.RepeatedCompositeFieldContainer[MadeCode]
    def __init__(self, codes: _Optional[_Iterable[_Union[MadeCode, _Mapping]]] = ...) -> None: ...

class Code(_message.Message):
    __slots__ = ("id", "name", "amount_usd_micros", "is_blocked", "redeemed_by", "redeemed_at_ms", "expires_at_ms", "created_at_ms")
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_USD_MICROS_FIELD_NUMBER: _ClassVar[int]
    IS_BLOCKED_FIELD_NUMBER: _ClassVar[int]
    REDEEMED_BY_FIELD_NUMBER: _ClassVar[int]
    REDEEMED_AT_MS_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_MS_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_MS_FIELD_NUMBER: _ClassVar[int]
    id: str
    name: str
    amount_usd_micros: int
    is_blocked: bool
    redeemed_by: str
    redeemed_at_ms: int
    expires_at_ms: int
    created_at_ms: int
    def __init__(self, id: _Optional[str] = ..., name: _Optional[str] = ..., amount_usd_micros: _Optional[int] = ..., is_blocked: _Optional[bool] = ..., redeemed_by: _Optional[str] = ..., redeemed_at_ms: _Optional[int] = ..., expires_at_ms: _Optional[int] = ..., created_at_ms: _Optional[int] = ...) -> None: ...

class ListCodesRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListCodesReply(_message.Message):
    __slots__ = ("codes", "next_page_token")
    CODES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    codes: _containers.RepeatedCompositeFieldContainer[Code]
    next_page_token: str
    def __init__(self, codes: _Optional[_Iterable[_Union[Code, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class BlockCodeRequest(_message.Message):
    __slots__ = ("id",)
    ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    def __init__(self, id: _Optional[str] = ...) -> None: ...

class BlockCodeReply(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class CreateInvitationsRequest(_message.Message):
    __slots__ = ("count", "group", "expires_at_ms")
    COUNT_FIELD_NUMBER: _ClassVar[int]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_MS_FIELD_NUMBER: _ClassVar[int]
    count: int
    group: str
    expires_at_ms: int
    def __init__(self, count: _Optional[int] = ..., group: _Optional[str] = ..., expires_at_ms: _Optional[int] = ...) -> None: ...

class AuditEntry(_message.Message):
    __slots__ = ("id", "at_ms", "actor", "action", "subject", "details_json", "peer", "request_id", "generation")
    ID_FIELD_NUMBER: _ClassVar[int]
    AT_MS_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    DETAILS_JSON_FIELD_NUMBER: _ClassVar[int]
    PEER_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    id: int
    at_ms: int
    actor: str
    action: str
    subject: str
    details_json: str
    peer: str
    request_id: str
    generation: int
    def __init__(self, id: _Optional[int] = ..., at_ms: _Optional[int] = ..., actor: _Optional[str] = ..., action: _Optional[str] = ..., subject: _Optional[str] = ..., details_json: _Optional[str] = ..., peer: _Optional[str] = ..., request_id: _Optional[str] = ..., generation: _Optional[int] = ...) -> None: ...

class ListAuditRequest(_message.Message):
    __slots__ = ("subject", "page_size", "page_token")
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    subject: str
    page_size: int
    page_token: str
    def __init__(self, subject: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListAuditReply(_message.Message):
    __slots__ = ("entries", "next_page_token")
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    entries: _containers.RepeatedCompositeFieldContainer[AuditEntry]
    next_page_token: str
    def __init__(self, entries: _Optional[_Iterable[_Union[AuditEntry, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...
