/** virtual-files.ts — signatures first. */
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';

/** Number of a virtual file descriptor, > 0. */
export type File = number;
export function fileOpen(_path: string, _flags: number, _mode?: number): File {
  report('ERROR', { code: SQLSTATE.featureNotSupported, message: `fileOpen is not supported yet` });
}
export function fileClose(_file: File): void {
  report('ERROR', { code: SQLSTATE.featureNotSupported, message: `fileClose is not supported yet` });
}
export function fileRead(_file: File, _at: number, _length: number, _position: number, _waitEvent: number): number {
  report('ERROR', { code: SQLSTATE.featureNotSupported, message: `fileRead is not supported yet` });
}
export function fileWrite(_file: File, _at: number, _length: number, _position: number, _waitEvent: number): number {
  report('ERROR', { code: SQLSTATE.featureNotSupported, message: `fileWrite is not supported yet` });
}
export function filePrefetch(_file: File, _position: number, _length: number, _waitEvent: number): number {
  report('ERROR', { code: SQLSTATE.featureNotSupported, message: `filePrefetch is not supported yet` });
}
export function fileWriteback(_file: File, _position: number, _length: number, _waitEvent: number): void {
  report('ERROR', { code: SQLSTATE.featureNotSupported, message: `fileWriteback is not supported yet` });
}
export function fileSync(_file: File, _waitEvent: number): number {
  report('ERROR', { code: SQLSTATE.featureNotSupported, message: `fileSync is not supported yet` });
}
export function fileSize(_file: File): number {
  report('ERROR', { code: SQLSTATE.featureNotSupported, message: `fileSize is not supported yet` });
}
export function fileTruncate(_file: File, _length: number, _waitEvent: number): number {
  report('ERROR', { code: SQLSTATE.featureNotSupported, message: `fileTruncate is not supported yet` });
}
export function filePath(_file: File): string {
  report('ERROR', { code: SQLSTATE.featureNotSupported, message: `filePath is not supported yet` });
}
export function openTransientFile(_path: string, _flags: number, _mode?: number): number {
  report('ERROR', { code: SQLSTATE.featureNotSupported, message: `openTransientFile is not supported yet` });
}
export function closeTransientFile(_fd: number): number {
  report('ERROR', { code: SQLSTATE.featureNotSupported, message: `closeTransientFile is not supported yet` });
}
export function fsyncFname(_path: string, _isDirectory: boolean, _ignorePermissions?: boolean, _level?: 'LOG' | 'WARNING' | 'ERROR' | 'PANIC'): number {
  report('ERROR', { code: SQLSTATE.featureNotSupported, message: `fsyncFname is not supported yet` });
}
export function durableRename(_from: string, _to: string, _level: 'LOG' | 'WARNING' | 'ERROR' | 'FATAL' | 'PANIC'): number {
  report('ERROR', { code: SQLSTATE.featureNotSupported, message: `durableRename is not supported yet` });
}
export function durableUnlink(_path: string, _level: 'LOG' | 'WARNING' | 'ERROR' | 'FATAL' | 'PANIC'): number {
  report('ERROR', { code: SQLSTATE.featureNotSupported, message: `durableUnlink is not supported yet` });
}
export function dataSyncElevel(_level: 'LOG' | 'WARNING' | 'ERROR'): 'LOG' | 'WARNING' | 'ERROR' | 'PANIC' {
  report('ERROR', { code: SQLSTATE.featureNotSupported, message: `dataSyncElevel is not supported yet` });
}
