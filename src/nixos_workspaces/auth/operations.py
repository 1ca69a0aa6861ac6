"""The action that each request, WebSocket and SSH channel does: what ``auth.policy`` is asked for.

A request is named by its operation in the OpenAPI document, a WebSocket by its function. The application refuses to
start with a route below ``/api`` that has no row here; ``tests/test_policy_matrix.py`` compares all of them with what
the service does.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from nixos_workspaces.auth.policy import Action

OPEN_OPERATIONS = frozenset(
    {
        *("alive", "ready", "login", "join_as_guest", "upload_options", "begin_device_login", "claim_device_token"),
        *("list_sign_in_methods", "begin_passkey_login", "passkey_login"),
    }
)
"""Operations that need no credential, or say nothing but what the service is able to do."""

OPERATIONS: Mapping[str, Action] = MappingProxyType(
    {
        # workspaces
        "list_workspaces": Action.LIST,
        "create_workspace": Action.CREATE,
        "get_workspace": Action.READ,
        "change_workspace": Action.RESIZE,
        "delete_workspace": Action.DELETE,
        "start_workspace": Action.START,
        "stop_workspace": Action.STOP,
        "restart_workspace": Action.RESTART,
        "pause_workspace": Action.PAUSE,
        "resume_workspace": Action.RESUME,
        "rebuild_workspace": Action.REBUILD,
        "plan_change": Action.RESIZE,
        "get_idle": Action.READ_USAGE,
        "put_idle": Action.CHANGE_IDLE,
        "reset_idle": Action.CHANGE_IDLE,
        "hold_workspace": Action.HOLD,
        "release_workspace": Action.HOLD,
        "get_schedule": Action.READ_USAGE,
        "put_schedule": Action.CHANGE_SCHEDULE,
        "get_advice": Action.READ_USAGE,
        "apply_advice": Action.RESIZE,
        "get_autoscale": Action.READ_USAGE,
        "put_autoscale": Action.CHANGE_AUTOSCALE,
        "delete_autoscale": Action.CHANGE_AUTOSCALE,
        "boost_workspace": Action.BOOST,
        "end_boost": Action.BOOST,
        "list_generations": Action.READ_USAGE,
        "compare_generations": Action.READ_USAGE,
        "get_metrics_history": Action.READ_USAGE,
        "get_metrics": Action.READ_USAGE,
        "list_programs": Action.READ_PROGRAMS,
        "get_ssh_key": Action.READ_SSH_KEY,
        "get_logs": Action.READ_LOGS,
        "get_journal": Action.READ_JOURNAL,
        "explain_workspace": Action.READ_USAGE,
        # network and ports
        "get_network_bounds": Action.BROWSE,
        "get_network": Action.READ_NETWORK,
        "put_network": Action.CHANGE_NETWORK,
        "list_denied": Action.READ_NETWORK,
        "list_network_proposals": Action.READ_NETWORK,
        "propose_network": Action.PROPOSE_NETWORK,
        "approve_network_proposal": Action.APPROVE_NETWORK,
        "reject_network_proposal": Action.REJECT_NETWORK,
        "learn_network": Action.LEARN_NETWORK,
        "finish_learning": Action.LEARN_NETWORK,
        "cancel_learning": Action.LEARN_NETWORK,
        "list_ports": Action.LIST_PORTS,
        "get_port": Action.READ_PORT,
        "put_port": Action.SHARE_PORT,
        "open_preview": Action.OPEN_PORT,
        "get_tunnel_access": Action.OPEN_TUNNEL,
        "tunnel": Action.OPEN_TUNNEL,
        # terminals
        "get_terminal_access": Action.REACH_TERMINALS,
        "list_terminals": Action.REACH_TERMINALS,
        "open_terminal": Action.OPEN_TERMINAL,
        "rename_terminal": Action.CHANGE_TERMINAL,
        "close_terminal": Action.CHANGE_TERMINAL,
        "terminal": Action.WATCH_TERMINAL,
        "get_terminal_layout": Action.ARRANGE_TERMINALS,
        "put_terminal_layout": Action.ARRANGE_TERMINALS,
        "get_terminal_choices": Action.LIST_TERMINALS,
        "put_terminal_choices": Action.CHOOSE_TERMINALS,
        "list_recordings": Action.READ_RECORDINGS,
        "get_recording": Action.READ_RECORDINGS,
        "get_recording_cast": Action.READ_RECORDINGS,
        "get_recording_typed": Action.READ_RECORDINGS,
        "delete_recording": Action.DELETE_RECORDING,
        # files
        "list_files": Action.READ_FILES,
        "download_file": Action.READ_FILES,
        "search_files": Action.READ_FILES,
        "list_file_names": Action.READ_FILES,
        "upload_files": Action.WRITE_FILES,
        "make_directory": Action.WRITE_FILES,
        "make_link": Action.WRITE_FILES,
        "copy_file": Action.WRITE_FILES,
        "write_file": Action.WRITE_FILES,
        "change_file": Action.WRITE_FILES,
        "delete_file": Action.WRITE_FILES,
        "begin_upload": Action.WRITE_FILES,
        "upload_progress": Action.READ_FILES,
        "continue_upload": Action.WRITE_FILES,
        "abandon_upload": Action.WRITE_FILES,
        # contents
        "list_workspace_secrets": Action.READ_WORKSPACE_SECRETS,
        "put_workspace_secret": Action.CHANGE_WORKSPACE_SECRETS,
        "delete_workspace_secret": Action.CHANGE_WORKSPACE_SECRETS,
        "list_repositories": Action.READ_REPOSITORIES,
        "clone_repository": Action.CLONE,
        "apply_dotfiles": Action.CLONE,
        # shares
        "list_shares": Action.SHARE,
        "add_share": Action.SHARE,
        "admit_guest": Action.SHARE,
        "remove_share": Action.SHARE,
        "leave_workspace": Action.READ,
        "transfer_workspace": Action.TRANSFER,
        "withdraw_transfer": Action.TRANSFER,
        "list_transfers": Action.READ_TRANSFERS,
        "accept_transfer": Action.ACCEPT_TRANSFER,
        "refuse_transfer": Action.REFUSE_TRANSFER,
        "put_personal_secrets": Action.DELIVER_PERSONAL_SECRETS,
        "join_share": Action.JOIN,
        # the caller
        "session": Action.READ_SESSION,
        "logout": Action.READ_SESSION,
        "list_secrets": Action.READ_SECRETS,
        "put_secret": Action.SET_SECRET,
        "delete_secret": Action.DELETE_SECRET,
        "get_profile": Action.READ_PROFILE,
        "put_profile": Action.CHANGE_PROFILE,
        "list_ssh_keys": Action.MANAGE_CREDENTIALS,
        "add_ssh_key": Action.MANAGE_CREDENTIALS,
        "remove_ssh_key": Action.MANAGE_CREDENTIALS,
        "sign_ssh_key": Action.SIGN_SSH_KEY,
        # people
        "get_me": Action.READ_PROFILE,
        "set_password": Action.MANAGE_CREDENTIALS,
        "list_passkeys": Action.MANAGE_CREDENTIALS,
        "begin_passkey": Action.MANAGE_CREDENTIALS,
        "begin_confirmation": Action.MANAGE_CREDENTIALS,
        "add_passkey": Action.MANAGE_CREDENTIALS,
        "rename_passkey": Action.MANAGE_CREDENTIALS,
        "remove_passkey": Action.MANAGE_CREDENTIALS,
        "list_identities": Action.MANAGE_CREDENTIALS,
        "connect_identity": Action.MANAGE_CREDENTIALS,
        "disconnect_identity": Action.MANAGE_CREDENTIALS,
        "list_tokens": Action.MANAGE_CREDENTIALS,
        "create_token": Action.MANAGE_CREDENTIALS,
        "revoke_token": Action.MANAGE_CREDENTIALS,
        "list_sessions": Action.MANAGE_CREDENTIALS,
        "end_session": Action.MANAGE_CREDENTIALS,
        "end_other_sessions": Action.MANAGE_CREDENTIALS,
        "get_device_login": Action.MANAGE_CREDENTIALS,
        "answer_device_login": Action.MANAGE_CREDENTIALS,
        "get_own_quotas": Action.READ_QUOTAS,
        "list_quotas": Action.READ_PEOPLE,
        "set_user_quota": Action.MANAGE_PEOPLE,
        "set_group_quota": Action.MANAGE_PEOPLE,
        "list_users": Action.READ_PEOPLE,
        "get_user": Action.READ_PROFILE,
        "create_user": Action.MANAGE_PEOPLE,
        "change_user": Action.MANAGE_PEOPLE,
        "invite_user": Action.MANAGE_PEOPLE,
        "list_tokens_of_user": Action.MANAGE_PEOPLE,
        "list_groups": Action.READ_PEOPLE,
        "create_group": Action.MANAGE_PEOPLE,
        "remove_group": Action.MANAGE_PEOPLE,
        "join_group": Action.MANAGE_PEOPLE,
        "leave_group": Action.MANAGE_PEOPLE,
        # the audit log
        "list_audit_entries": Action.READ_AUDIT,
        "get_audit_checkpoint": Action.READ_AUDIT,
        "prove_audit_consistency": Action.READ_AUDIT,
        "export_audit": Action.READ_AUDIT,
        "get_audit_entry": Action.READ_AUDIT,
        "prove_audit_entry": Action.READ_AUDIT,
        # use and money
        "get_costs": Action.READ_COSTS,
        "estimate_costs": Action.READ_COSTS,
        "export_costs": Action.READ_COSTS,
        "get_prices": Action.READ_COSTS,
        "put_prices": Action.SET_PRICES,
        "list_budgets": Action.READ_COSTS,
        "put_budget": Action.MANAGE_BUDGETS,
        "delete_budget": Action.MANAGE_BUDGETS,
        "verify_usage": Action.READ_AUDIT,
        # the service
        "events": Action.LIST,
        "list_templates": Action.BROWSE,
        "search_packages": Action.BROWSE,
        "health": Action.READ_HEALTH,
        "capacity": Action.READ_HEALTH,
        "collect_garbage": Action.COLLECT_GARBAGE,
        "support_bundle": Action.READ_SUPPORT,
    }
)
"""The action of each operation: the least that it needs, where its parameters decide (a terminal that is typed in)."""

PROVISIONING: Mapping[str, Action] = MappingProxyType(
    {
        "service_provider_config": Action.READ_PEOPLE,
        "resource_types": Action.READ_PEOPLE,
        "resource_type": Action.READ_PEOPLE,
        "schemas": Action.READ_PEOPLE,
        "schema": Action.READ_PEOPLE,
        "query": Action.READ_PEOPLE,
        "search": Action.READ_PEOPLE,
        "search_with_body": Action.READ_PEOPLE,
        "create": Action.MANAGE_PEOPLE,
        "replace": Action.MANAGE_PEOPLE,
        "patch": Action.MANAGE_PEOPLE,
        "delete": Action.MANAGE_PEOPLE,
        "bulk": Action.MANAGE_PEOPLE,
    }
)
"""The action of each operation of SCIM, which the OpenAPI document does not have (decision 54)."""

CHANNELS: Mapping[bytes, Action] = MappingProxyType(
    {
        b"shell": Action.OPEN_SSH,
        b"exec": Action.OPEN_SSH,
        b"pty-req": Action.OPEN_SSH,
        b"auth-agent-req@openssh.com": Action.OPEN_SSH,
        b"auth-agent@openssh.com": Action.OPEN_SSH,
        b"sftp": Action.WRITE_FILES,
        b"direct-tcpip": Action.FORWARD_SSH,
        # Sockets of the workspace's user: that of its terminals, too.
        b"direct-streamlocal@openssh.com": Action.OPEN_SSH,
        b"tcpip-forward": Action.FORWARD_SSH,
        b"cancel-tcpip-forward": Action.FORWARD_SSH,
        b"streamlocal-forward@openssh.com": Action.FORWARD_SSH,
        b"cancel-streamlocal-forward@openssh.com": Action.FORWARD_SSH,
        b"forwarded-tcpip": Action.FORWARD_SSH,
        b"forwarded-streamlocal@openssh.com": Action.FORWARD_SSH,
    }
)
"""The action of each channel, request and subsystem of SSH at the gateway; others decide nothing or do not pass."""
SSH_ACTIONS = (Action.OPEN_SSH, Action.WRITE_FILES, Action.FORWARD_SSH)
"""The actions of which one lets a person in at the gateway."""
