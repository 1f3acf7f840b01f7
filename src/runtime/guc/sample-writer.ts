/** sample-writer.ts — postgresql.conf.sample, made from the table: every setting that may stand in a file, commented
 *  out, with its default.
 *
 *  conf/postgresql.conf.sample is this text; test/tidy/guc-sample.test.ts compares them. initdb replaces single lines of
 *  it, so a line must read `#name = value`, the value quoted where a bare word would not do. */
import type { ParameterDefinition } from '#runtime/guc/define.ts';
import { PARAMETERS } from '#runtime/guc/parameters/index.ts';
import { formatG, intWithUnit, realWithUnit } from '#runtime/guc/units.ts';

const HEADER = `# postgresql.conf - settings of the server
#
# One setting per line:
#
#   name = value
#
# The "=" may be left out.  A "#" begins a comment.  Values other than numbers
# and plain words stand in single quotes.
#
# Every setting is listed with its default, commented out.  Putting the "#"
# back in front of a line is not enough to return to the default of a running
# server: it must reload, too.
#
# The file is read when the server starts and when it reloads ("pg_ctl reload",
# or SELECT pg_reload_conf()).  Settings marked "restart" take a new value only
# at the next start.  Any setting may also be given on the command line, as in
# "postgres -c log_connections=on", and most of them in SQL, with SET.
#
# Memory:  B  kB  MB  GB  TB  (steps of 1024)
# Time:    us  ms  s  min  h  d
`;
const COLUMN = 40;
const WIDTH = 79;

/** Values that people write in octal. */
const OCTAL: ReadonlySet<string> = new Set(['unix_socket_permissions', 'log_file_mode']);

export function sampleValue(name: string, row: ParameterDefinition): string {
  switch (row.type) {
    case 'bool':
      return row.boot ? 'on' : 'off';
    case 'int':
      if (OCTAL.has(name)) return `0${row.boot.toString(8)}`;
      return row.unit !== undefined && row.boot > 0 ? intWithUnit(row.boot, row.unit) : String(row.boot);
    case 'real':
      return row.unit !== undefined && row.boot > 0 ? realWithUnit(row.boot, row.unit) : formatG(row.boot);
    default: {
      const value = row.boot ?? '';
      const plain = row.type === 'enum' && /^[A-Za-z][A-Za-z0-9_-]*$/.test(value);
      return plain ? value : `'${value.replaceAll("'", "''")}'`;
    }
  }
}

function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line];
}

function comments(row: ParameterDefinition): string[] {
  const texts = [row.short.replace(/\.$/, '')];
  if (row.type === 'enum') texts.push(row.values.map((value) => (value === '' ? "''" : value)).join(', '));
  else if ('unit' in row && row.unit !== undefined) texts.push(`in ${row.unit} if no unit is given`);
  if (row.context === 'postmaster') texts.push('(restart)');
  return texts.flatMap((text) => wrap(text, WIDTH - COLUMN - 2));
}

function entry(name: string, row: ParameterDefinition): string[] {
  const assignment = `#${name.toLowerCase()} = ${sampleValue(name, row)}`;
  const [first = '', ...more] = comments(row);
  const indent = ' '.repeat(COLUMN);
  const head =
    assignment.length < COLUMN - 1 ? [`${assignment.padEnd(COLUMN)}# ${first}`] : [assignment, `${indent}# ${first}`];
  return [...head, ...more.map((line) => `${indent}# ${line}`)];
}

const RULE = `#${'-'.repeat(WIDTH - 1)}`;

/** Rows by section and part; a section met again later (rows of our own) is filled up, not repeated. */
function sections(): Map<string, Map<string, [string, ParameterDefinition][]>> {
  const all = new Map<string, Map<string, [string, ParameterDefinition][]>>();
  for (const [name, row] of Object.entries<ParameterDefinition>(PARAMETERS)) {
    if (row.flags?.includes('NOT_IN_SAMPLE') === true || row.flags?.includes('DISALLOW_IN_FILE') === true) continue;
    const [section = '', part = ''] = row.category.split(' / ');
    const parts = all.get(section) ?? new Map<string, [string, ParameterDefinition][]>();
    all.set(section, parts);
    const rows = parts.get(part) ?? [];
    parts.set(part, rows);
    rows.push([name, row]);
  }
  return all;
}

export function writeSample(): string {
  const lines = [HEADER];
  for (const [section, parts] of sections()) {
    lines.push('', RULE, `# ${section.toUpperCase()}`, RULE, '');
    for (const [part, rows] of parts) {
      if (part !== '') lines.push(`# - ${part} -`, '');
      for (const [name, row] of rows) lines.push(...entry(name, row));
      lines.push('');
    }
  }
  lines.push(
    '',
    RULE,
    '# OTHER FILES',
    RULE,
    '',
    "#include_dir = '...'                    # every *.conf file of a folder",
    "#include_if_exists = '...'              # a file, if there is one",
    "#include = '...'                        # a file",
    '',
    RULE,
    '# SETTINGS OF EXTENSIONS',
    RULE,
    '',
    '# prefix.name = value',
  );
  return `${lines.join('\n')}\n`;
}
