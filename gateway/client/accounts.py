"""The RPCs of the Accounts service, for `client.call(accounts.LIST_KEYS, v1.ListKeysRequest(page_size=20))`.

Rules:
    - One row per RPC of the contract (a test compares); the type of the reply follows from the row.
    - What changes something is not tried again by itself: a second key or user would be one too many.
Not here: who may call what (proto/gateway/v1/accounts.proto).
"""

from gateway.client.call import Method
from gateway.client.generated.gateway import v1

SERVICE = "gateway.v1.Accounts"

REGISTER = Method("Register", v1.RegisterRequest, v1.Session, SERVICE, has_effect=True)
LOG_IN = Method("LogIn", v1.LogInRequest, v1.Session, SERVICE, has_effect=True)
REFRESH_SESSION = Method("RefreshSession", v1.RefreshSessionRequest, v1.Session, SERVICE, has_effect=True)
LOG_OUT = Method("LogOut", v1.LogOutRequest, v1.LogOutReply, SERVICE, has_effect=True)
CHANGE_PASSWORD = Method("ChangePassword", v1.ChangePasswordRequest, v1.ChangePasswordReply, SERVICE, has_effect=True)
GET_ME = Method("GetMe", v1.GetMeRequest, v1.User, SERVICE)
CREATE_KEY = Method("CreateKey", v1.CreateKeyRequest, v1.ApiKey, SERVICE, has_effect=True)
LIST_KEYS = Method("ListKeys", v1.ListKeysRequest, v1.ListKeysReply, SERVICE)
GET_KEY = Method("GetKey", v1.GetKeyRequest, v1.ApiKey, SERVICE)
UPDATE_KEY = Method("UpdateKey", v1.UpdateKeyRequest, v1.ApiKey, SERVICE, has_effect=True)
ROTATE_KEY = Method("RotateKey", v1.RotateKeyRequest, v1.ApiKey, SERVICE, has_effect=True)
REVOKE_KEY = Method("RevokeKey", v1.RevokeKeyRequest, v1.ApiKey, SERVICE, has_effect=True)
GET_WALLET = Method("GetWallet", v1.GetWalletRequest, v1.Wallet, SERVICE)
LIST_LEDGER = Method("ListLedger", v1.ListLedgerRequest, v1.ListLedgerReply, SERVICE)
REDEEM = Method("Redeem", v1.RedeemRequest, v1.Wallet, SERVICE, has_effect=True)
GET_USAGE = Method("GetUsage", v1.GetUsageRequest, v1.GetUsageReply, SERVICE)
LIST_CALLS = Method("ListCalls", v1.ListCallsRequest, v1.ListCallsReply, SERVICE)
GET_BILLING = Method("GetBilling", v1.GetBillingRequest, v1.Billing, SERVICE)
LIST_PRICES = Method("ListPrices", v1.ListPricesRequest, v1.ListPricesReply, SERVICE)
GET_STATS = Method("GetStats", v1.GetStatsRequest, v1.Stats, SERVICE)
CREATE_USER = Method("CreateUser", v1.CreateUserRequest, v1.User, SERVICE, has_effect=True)
LIST_USERS = Method("ListUsers", v1.ListUsersRequest, v1.ListUsersReply, SERVICE)
GET_USER = Method("GetUser", v1.GetUserRequest, v1.User, SERVICE)
UPDATE_USER = Method("UpdateUser", v1.UpdateUserRequest, v1.User, SERVICE, has_effect=True)
CHANGE_WALLET = Method("ChangeWallet", v1.ChangeWalletRequest, v1.Wallet, SERVICE, has_effect=True)
SET_MEMBER = Method("SetMember", v1.SetMemberRequest, v1.SetMemberReply, SERVICE, has_effect=True)
LIST_GROUPS = Method("ListGroups", v1.ListGroupsRequest, v1.ListGroupsReply, SERVICE)
PUT_GROUP = Method("PutGroup", v1.PutGroupRequest, v1.Group, SERVICE, has_effect=True)
DELETE_GROUP = Method("DeleteGroup", v1.DeleteGroupRequest, v1.DeleteGroupReply, SERVICE, has_effect=True)
CREATE_CODES = Method("CreateCodes", v1.CreateCodesRequest, v1.CreateCodesReply, SERVICE, has_effect=True)
LIST_CODES = Method("ListCodes", v1.ListCodesRequest, v1.ListCodesReply, SERVICE)
BLOCK_CODE = Method("BlockCode", v1.BlockCodeRequest, v1.BlockCodeReply, SERVICE, has_effect=True)
CREATE_INVITATIONS = Method(
    "CreateInvitations", v1.CreateInvitationsRequest, v1.CreateCodesReply, SERVICE, has_effect=True
)
LIST_AUDIT = Method("ListAudit", v1.ListAuditRequest, v1.ListAuditReply, SERVICE)
