/** config-paths.ts — path arithmetic of configuration files, without asking the disk.
 *
 *  Counterpart: src/port/path.c */

/** No doubled or trailing slashes, no `.`, `..` taken back where possible. */
export function canonicalizePath(path: string): string {
  if (path === '') return '';
  const absolute = path.startsWith('/');
  const parts: string[] = [];
  for (const part of path.split('/')) {
    if (part === '' || part === '.') continue;
    if (part === '..' && parts.length > 0 && parts[parts.length - 1] !== '..') parts.pop();
    else if (part !== '..' || !absolute) parts.push(part);
  }
  return (absolute ? '/' : '') + parts.join('/') || (absolute ? '/' : '.');
}
export function parentDirectory(path: string): string {
  const slash = path.lastIndexOf('/');
  return slash < 0 ? '' : slash === 0 ? '/' : path.slice(0, slash);
}
export const joinPath = (folder: string, name: string): string =>
  canonicalizePath(folder === '' ? name : `${folder}/${name}`);
export const makeAbsolute = (path: string): string =>
  canonicalizePath(path.startsWith('/') ? path : `${process.cwd()}/${path}`);
/** A name inside a configuration file is relative to that file's folder, or else to the data directory. */
export function absoluteConfigLocation(location: string, callingFile: string | null, dataDirectory: string): string {
  if (location.startsWith('/')) return canonicalizePath(location);
  return joinPath(callingFile === null ? dataDirectory : parentDirectory(callingFile), location);
}
