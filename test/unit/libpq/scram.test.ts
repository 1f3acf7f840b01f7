import { createHash, createHmac, pbkdf2Sync } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { isMd5Secret, md5Response, md5Secret } from '#libpq/md5-password.ts';
import { saslPrep, saslPrepStrict } from '#libpq/sasl-prep.ts';
import {
  buildScramSecret,
  parseScramSecret,
  SCRAM_SHA_256,
  ScramServer,
  scramCluster,
  scramVerifyPlain,
} from '#libpq/scram.ts';
import { PgError } from '#runtime/error/report.ts';

const SALT = Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64');
const hmac = (key: Uint8Array, data: string) => createHmac('sha256', key).update(data).digest();

/** A client of its own, so that both sides do not share a mistake. */
function clientFinal(password: string, firstBare: string, serverFirst: string, header = 'biws') {
  const [, nonce, salt, rounds] = /^r=(.*),s=(.*),i=(\d+)$/.exec(serverFirst)!;
  const salted = pbkdf2Sync(password, Buffer.from(salt!, 'base64'), Number(rounds), 32, 'sha256');
  const clientKey = hmac(salted, 'Client Key');
  const withoutProof = `c=${header},r=${nonce}`;
  const authMessage = `${firstBare},${serverFirst},${withoutProof}`;
  const signature = hmac(createHash('sha256').update(clientKey).digest(), authMessage);
  const proof = Buffer.from(clientKey.map((byte, i) => byte ^ signature[i]!)).toString('base64');
  return {
    message: `${withoutProof},p=${proof}`,
    verifier: `v=${hmac(hmac(salted, 'Server Key'), authMessage).toString('base64')}`,
  };
}
const refused = (work: () => unknown): [string, string | undefined] => {
  try {
    work();
  } catch (caught) {
    if (caught instanceof PgError) return [caught.message, caught.fields.detail];
    throw caught;
  }
  throw new Error('nothing was raised');
};

describe('the exchange', () => {
  test('of RFC 7677 gives its server signature', () => {
    const server = new ScramServer(SCRAM_SHA_256, 'user', buildScramSecret('pencil', SALT), undefined, () =>
      '%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0'.slice(0),
    );
    expect(server.exchange('n,,n=user,r=rOprNGfwEbeRWgbNEkqO').output).toBe(
      'r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096',
    );
    expect(
      server.exchange(
        'c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=',
      ),
    ).toEqual({ result: 'success', output: 'v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=' });
  });
  test('succeeds with the right password, fails with another, and looks the same for a role that is not there', () => {
    const run = (secret: string | undefined, password: string) => {
      const server = new ScramServer(SCRAM_SHA_256, 'u', secret);
      const first = server.exchange('y,,n=,r=abc').output!;
      const final = clientFinal(password, 'n=,r=abc', first, 'eSws');
      const reply = server.exchange(final.message);
      return { first, reply, verified: reply.output === final.verifier, server };
    };
    const secret = buildScramSecret('geheim');
    expect(run(secret, 'geheim')).toMatchObject({ verified: true, reply: { result: 'success' } });
    expect(run(secret, 'falsch').reply).toEqual({ result: 'failure', output: undefined });
    scramCluster.mockAuthenticationNonce = Buffer.alloc(32, 7);
    const salt = (text: string) => /s=([^,]*)/.exec(text)![1];
    const mock = [run(undefined, 'x'), run(undefined, 'x')];
    expect(mock[0]!.reply.result).toBe('failure');
    expect(salt(mock[0]!.first)).toBe(salt(mock[1]!.first));
    expect(run('md5ad16ab8cb9f9946be08171afa599199d', 'x').server.logDetail).toBe(
      'User "u" does not have a valid SCRAM secret.',
    );
  });
  test('messages that break the rules are protocol violations with their reason', () => {
    const fresh = () => new ScramServer(SCRAM_SHA_256, 'u', undefined);
    const first = (text: string) => refused(() => fresh().exchange(text));
    expect(first('')).toEqual(['malformed SCRAM message', 'The message is empty.']);
    expect(first('x,,n=,r=a')[1]).toBe('Unexpected channel-binding flag "\'x\'".');
    expect(first('n;')[1]).toBe('Comma expected, but found character "\';\'".');
    expect(first('n,a=x,n=,r=a')[0]).toBe('client uses authorization identity, but it is not supported');
    expect(first('n,,m=x,n=,r=a')[0]).toBe('client requires an unsupported SCRAM extension');
    expect(first('n,,r=a')[1]).toBe('Expected attribute "n" but found "\'r\'".');
    expect(first('n,,n=x,r=a\u0001')[0]).toBe('non-printable characters in SCRAM nonce');
    expect(first('p=tls-server-end-point,,n=,r=a')[1]).toContain('without channel binding');
    const final = (text: (nonce: string) => string) => {
      const server = fresh();
      const nonce = /^r=([^,]*)/.exec(server.exchange('n,,n=,r=a').output!)![1]!;
      return refused(() => server.exchange(text(nonce)));
    };
    expect(final(() => 'c=eSws,r=a,p=x')[0]).toBe('unexpected SCRAM channel-binding attribute in client-final-message');
    expect(final((n) => `c=biws,r=${n},p=AAAA`)[1]).toBe('Malformed proof in client-final-message.');
    const proof = Buffer.alloc(32).toString('base64');
    expect(final(() => `c=biws,r=zz,p=${proof}`)).toEqual(['invalid SCRAM response', 'Nonce does not match.']);
    expect(final((n) => `c=biws,r=${n},p=${proof},x=1`)[1]).toBe('Garbage found at the end of client-final-message.');
    expect(refused(() => new ScramServer('PLAIN', 'u', undefined))[0]).toBe(
      'client selected an invalid SASL authentication mechanism',
    );
  });
});

/** Both made by PostgreSQL 15 for the password "secret". */
const SCRAM_OF_SECRET =
  'SCRAM-SHA-256$4096:2QBYOnxbCW1kUPc/ZaMZ0Q==$pbhYOph8gCepf8NPT+slnwfeUMYYogsnGjBDdAdlTb8=:kP+5oW6A2JfC5QUODIG4IBDaOqNjhGpt9+C4JJaWmnY=';

test('secrets that PostgreSQL made are understood, and made alike', () => {
  const parsed = parseScramSecret(SCRAM_OF_SECRET)!;
  expect(scramVerifyPlain(parsed, 'secret')).toBe(true);
  expect(scramVerifyPlain(parsed, 'Secret')).toBe(false);
  expect(buildScramSecret('secret', parsed.salt)).toBe(SCRAM_OF_SECRET);
  expect(parseScramSecret('SCRAM-SHA-256$4096:abc$x:y')).toBe(undefined);
  expect(md5Secret('secret', 'md5u')).toBe('md5ad16ab8cb9f9946be08171afa599199d');
  expect(isMd5Secret('md5ad16ab8cb9f9946be08171afa599199d')).toBe(true);
  const inner = createHash('md5').update('secretmd5u').digest('hex');
  const salt = Buffer.from([1, 2, 3, 4]);
  expect(md5Response(md5Secret('secret', 'md5u'), salt)).toBe(
    `md5${createHash('md5').update(inner).update(salt).digest('hex')}`,
  );
});

test('SASLprep: the examples of RFC 4013', () => {
  expect(saslPrep('I\u00adX')).toBe('IX');
  expect(saslPrep('user')).toBe('user');
  expect(saslPrep('\u00aa')).toBe('a');
  expect(saslPrep('\u2168')).toBe('IX');
  expect(saslPrep('a\u00a0b\u2003c')).toBe('a b c');
  expect(saslPrepStrict('\u0007')).toBe(undefined);
  expect(saslPrepStrict('\u0627\u0031')).toBe(undefined);
  expect(saslPrepStrict('\u0221')).toBe(undefined);
  expect(saslPrep('\u0221')).toBe('\u0221');
});
