import { expect, test } from 'vitest';
import type { Oid } from '#base/ids.ts';
import {
  encryptPassword,
  hasPrivilegesOfRole,
  isMemberOfRole,
  isMemberOfRoleNoSuper,
  passwordType,
  type Role,
  roleByName,
  roleSecret,
  setRoles,
  verifyPlainPassword,
} from '#catalog/roles.ts';

const role = (oid: number, name: string, more: Partial<Role> = {}): Role => ({
  oid: oid as Oid,
  name,
  superuser: false,
  inherit: true,
  createRole: false,
  createDb: false,
  canLogin: true,
  replication: false,
  bypassRls: false,
  connectionLimit: -1,
  secret: null,
  validUntil: null,
  ...more,
});

test('membership is transitive, privileges stop at NOINHERIT, superusers are members of all', () => {
  const grant = (to: number, member: number) => ({
    role: to as Oid,
    member: member as Oid,
    grantor: 10 as Oid,
    adminOption: false,
  });
  setRoles({
    roles: [role(10, 'root', { superuser: true }), role(1, 'a'), role(2, 'b', { inherit: false }), role(3, 'c')],
    memberships: [grant(2, 1), grant(3, 2)],
  });
  const [a, b, c, root] = [1, 2, 3, 10] as Oid[] as [Oid, Oid, Oid, Oid];
  expect([isMemberOfRole(a, b), isMemberOfRole(a, c), isMemberOfRole(c, a)]).toEqual([true, true, false]);
  expect([hasPrivilegesOfRole(a, b), hasPrivilegesOfRole(a, c)]).toEqual([true, false]);
  expect([isMemberOfRole(root, a), isMemberOfRoleNoSuper(root, a)]).toEqual([true, false]);
});

test('a password is kept encrypted once, and one that is missing or expired says why', () => {
  setRoles({
    roles: [
      role(1, 'u', { secret: encryptPassword('u', 'pw') }),
      role(2, 'm', { secret: encryptPassword('m', 'pw', 'md5') }),
      role(3, 'none'),
      role(4, 'old', { secret: 'x', validUntil: 5 }),
    ],
    memberships: [],
  });
  const secret = roleByName('u')!.secret!;
  expect(passwordType(secret)).toBe('scram-sha-256');
  expect(encryptPassword('u', secret, 'md5')).toBe(secret);
  expect(verifyPlainPassword('u', secret, 'pw')).toBe(undefined);
  expect(verifyPlainPassword('m', roleByName('m')!.secret!, 'pw')).toBe(undefined);
  expect(verifyPlainPassword('u', secret, 'no')).toBe('Password does not match for user "u".');
  expect(roleSecret('none', 9)).toMatchObject({ logDetail: 'User "none" has no password assigned.' });
  expect(roleSecret('old', 9)).toMatchObject({ logDetail: 'User "old" has an expired password.' });
  expect(roleSecret('nobody', 9)).toMatchObject({ logDetail: 'Role "nobody" does not exist.' });
});
