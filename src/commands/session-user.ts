/** session-user.ts — SET SESSION AUTHORIZATION and SET ROLE: whose privileges count now.
 *
 *  The session user is whom the session speaks for; the role is whom it acts as, `none` for the session user itself.
 *  Both are settings, so that transactions undo them like any other. Changing the session user ends any SET ROLE.
 *  Counterpart: check_session_authorization(), check_role() of src/backend/commands/variable.c, SetSessionUserId(),
 *  SetOuterUserId() of src/backend/utils/init/miscinit.c */
import type { Oid } from '#base/ids.ts';
import { isMemberOfRole, isSuperuserOid, type Role, roleByName } from '#catalog/roles.ts';
import { sessionIdentity } from '#catalog/session-identity.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { setInternalOption } from '#runtime/guc/guc.ts';
import type { CheckContext } from '#runtime/guc/hooks.ts';
import { registerGucHooks } from '#runtime/guc/records.ts';

/** Who logged in; only a superuser may become somebody else for the session. 0 before that. */
let authenticatedUser = 0 as Oid;
let roleIsActive = false;
let currentRoleName = 'none';

function actAs(role: { oid: Oid; name: string }): void {
  sessionIdentity.userOid = role.oid;
  sessionIdentity.userName = role.name;
  setInternalOption('is_superuser', isSuperuserOid(role.oid) ? 'on' : 'off');
}

const missing = (name: string, context: CheckContext): never =>
  context.fail({ message: `role "${name}" does not exist` });

registerGucHooks('session_authorization', {
  check: (name, context) => {
    const role = roleByName(name);
    if (role === undefined) return missing(name, context);
    // The session's own start sets it with the authority of the server.
    const byServer = context.source === 'dynamicDefault' || context.source === 'override';
    const privileged = byServer || role.oid === authenticatedUser || isSuperuserOid(authenticatedUser);
    if (!privileged) {
      context.fail({
        code: SQLSTATE.insufficientPrivilege,
        message: `permission denied to set session authorization "${name}"`,
      });
    }
    context.extra = role;
    return name;
  },
  assign: (_name, extra) => {
    const role = extra as Role | undefined;
    if (role === undefined) return;
    if (authenticatedUser === 0) authenticatedUser = role.oid;
    sessionIdentity.sessionUserOid = role.oid;
    sessionIdentity.sessionUserName = role.name;
    roleIsActive = false;
    actAs(role);
  },
});

registerGucHooks('role', {
  check: (name, context) => {
    if (name === 'none') return name;
    const role = roleByName(name);
    if (role === undefined) return missing(name, context);
    if (!isMemberOfRole(sessionIdentity.sessionUserOid, role.oid)) {
      context.fail({ code: SQLSTATE.insufficientPrivilege, message: `permission denied to set role "${name}"` });
    }
    context.extra = role;
    return name;
  },
  assign: (name, extra) => {
    currentRoleName = name;
    const role = extra as Role | undefined;
    const wasActive = roleIsActive;
    roleIsActive = role !== undefined;
    if (role !== undefined) actAs(role);
    else if (wasActive) actAs({ oid: sessionIdentity.sessionUserOid, name: sessionIdentity.sessionUserName });
  },
  show: () => (roleIsActive ? currentRoleName : 'none'),
});
