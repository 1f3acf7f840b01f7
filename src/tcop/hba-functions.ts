/** hba-functions.ts — pg_hba_file_rules and pg_ident_file_mappings: the files as they are now, mistakes included.
 *
 *  Counterpart: src/backend/utils/adt/hbafuncs.c */
import type { Datum } from '#adt/datum.ts';
import { registerSetBuiltins, type SetIterator } from '#adt/fmgr.ts';
import { iterate, textArray } from '#functions/guc-functions.ts';
import { report } from '#runtime/error/report.ts';
import type { SqlState } from '#runtime/error/sqlstate.ts';
import { settings } from '#runtime/guc/guc.ts';
import { type HbaRule, parseHbaFile } from '#tcop/hba.ts';
import { formatNetworkAddress } from '#tcop/hba-address.ts';
import type { HbaAddress, HbaLine } from '#tcop/hba-parse.ts';
import { tokenizeFile } from '#tcop/hba-tokens.ts';
import { parseIdentLine } from '#tcop/ident.ts';

function addressColumns(address: HbaAddress | null): [Datum, Datum] {
  if (address === null) return [null, null];
  switch (address.kind) {
    case 'any':
      return ['all', null];
    case 'name':
      return [address.name, null];
    case 'network':
      return [formatNetworkAddress(address.address), formatNetworkAddress(address.mask)];
    default:
      return [address.kind, null];
  }
}

function optionTexts(line: HbaLine): string[] {
  const options: string[] = [];
  if (line.map !== undefined) options.push(`map=${line.map}`);
  if (line.clientCert !== 'off') options.push(`clientcert=${line.clientCert}`);
  return options;
}

function ruleRow({ lineNumber, line, error }: HbaRule): Datum[] {
  if (line === undefined) return [lineNumber, null, null, null, null, null, null, null, error ?? null];
  const [address, netmask] = addressColumns(line.address);
  const options = optionTexts(line);
  return [
    lineNumber,
    line.type,
    textArray(line.databases.map(({ text }) => text)),
    textArray(line.roles.map(({ text }) => text)),
    address,
    netmask,
    line.method,
    options.length === 0 ? null : textArray(options),
    error ?? null,
  ];
}

const unreadable = (problem: { error: string; code: SqlState }): never =>
  report('ERROR', { code: problem.code, message: problem.error });

function hbaFileRules(): SetIterator {
  const rules = parseHbaFile('DEBUG3');
  return Array.isArray(rules) ? iterate(rules.map(ruleRow)) : unreadable(rules);
}

function identFileMappings(): SetIterator {
  const lines = tokenizeFile(settings.ident_file, 'DEBUG3');
  if (!Array.isArray(lines)) return unreadable(lines);
  return iterate(
    lines.map((source) => {
      const { lineNumber } = source;
      const { line, error } =
        source.error === undefined ? parseIdentLine(source, 'DEBUG3') : { ...source, line: undefined };
      if (line === undefined) return [lineNumber, null, null, null, error ?? null];
      return [lineNumber, line.map, line.systemUser, line.role, null];
    }),
  );
}

registerSetBuiltins({ pg_hba_file_rules: hbaFileRules, pg_ident_file_mappings: identFileMappings });
