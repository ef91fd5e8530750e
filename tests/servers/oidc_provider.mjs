// An OpenID provider of npm's oidc-provider, with the clients and the account of the tests:
//
//   node oidc_provider.mjs PORT ISSUER ACCESS_SECONDS NODE_MODULES KEY_FILE
//
// Refresh tokens rotate; one that comes twice ends its grant. POST /test/refresh-token brings a refresh token as a
// browser's login would have. Into KEY_FILE goes the key of the client that signs, into
// KEY_FILE.other one that nobody knows.
import { generateKeyPairSync } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const [port, issuer, seconds, modules, keyFile] = process.argv.slice(2);
const { Provider, errors } = await import(pathToFileURL(createRequire(`${modules}/`).resolve('oidc-provider')));

const ACCOUNT = 'demo';
const PASSWORD = 'demo-password';
const SCOPE = 'openid offline_access';

function newKey(file) {
  const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  writeFileSync(file, pair.privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
  return pair.publicKey.export({ format: 'jwk' });
}

const client = (id, grants, more) => ({
  client_id: id, client_secret: PASSWORD, grant_types: grants, response_types: [], redirect_uris: [], scope: SCOPE, ...more,
});

const provider = new Provider(issuer, {
  clients: [
    client('password', ['password', 'refresh_token']),
    client('key', ['client_credentials'], {
      client_secret: undefined,
      token_endpoint_auth_method: 'private_key_jwt',
      token_endpoint_auth_signing_alg: 'ES256',
      jwks: { keys: [newKey(keyFile)] },
    }),
    client('dpop', ['refresh_token'], { dpop_bound_access_tokens: true }),
  ],
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: false },
    dPoP: { enabled: true, nonceSecret: Buffer.alloc(32, 7), requireNonce: (ctx) => ctx.oidc.client?.clientId === 'dpop' },
    revocation: { enabled: true },
  },
  rotateRefreshToken: true,
  ttl: {
    AccessToken: Number(seconds), ClientCredentials: Number(seconds), IdToken: 60, Grant: 3600, RefreshToken: 3600,
  },
});

// What a login gives, made with the provider's own models.
async function granted(found, gty) {
  const grant = new provider.Grant({ clientId: found.clientId, accountId: ACCOUNT });
  grant.addOIDCScope(SCOPE);
  const shared = { accountId: ACCOUNT, client: found, grantId: await grant.save(), gty, scope: SCOPE };
  return { access: new provider.AccessToken(shared), refresh: new provider.RefreshToken(shared) };
}

provider.registerGrantType('password', async (ctx, next) => {
  const { username, password } = ctx.oidc.params;
  if (username !== ACCOUNT || password !== PASSWORD) throw new errors.InvalidGrant('wrong username or password');
  const { access, refresh } = await granted(ctx.oidc.client, 'password');
  ctx.body = {
    access_token: await access.save(),
    expires_in: access.expiration,
    refresh_token: await refresh.save(),
    scope: SCOPE,
    token_type: access.tokenType,
  };
  await next();
}, ['username', 'password', 'scope']);

provider.use(async (ctx, next) => {
  if (ctx.path === '/test/refresh-token') {
    const { refresh } = await granted(await provider.Client.find('dpop'), 'device_code');
    ctx.body = { refresh_token: await refresh.save() };
  } else if (ctx.path === '/api/whoami') {
    const token = await provider.ClientCredentials.find(ctx.get('Authorization').replace(/^Bearer /, '') || '-');
    ctx.status = token ? 200 : 401;
    ctx.body = token ? { client_id: token.clientId } : { error: 'invalid_token' };
    if (!token) ctx.set('WWW-Authenticate', 'Bearer error="invalid_token"');
  } else {
    await next();
  }
});

newKey(`${keyFile}.other`);
provider.listen(Number(port), '127.0.0.1');
