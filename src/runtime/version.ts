/** version.ts — who we say we are. */
export const SERVER_VERSION = '15.18';
export const NODEGRES_VERSION = '0.1.0';
export const VERSION_TEXT = `PostgreSQL ${SERVER_VERSION} (Nodegres ${NODEGRES_VERSION}) on ${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-pc-linux-gnu, compiled by Node.js ${process.version}, 64-bit`;
