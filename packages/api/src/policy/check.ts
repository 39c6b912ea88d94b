/**
 * Policy check strings, the language of oslo.policy: `role:member and project_id:%(project_id)s or rule:context_is_admin`.
 * Known checks: `@`, `!`, `role:`, `rule:`, `is_admin:True`, `project_id:%(project_id)s`, `user_id:%(user_id)s`.
 */
export interface Credentials {
  readonly userId: string;
  readonly projectId: string;
  readonly roles: ReadonlySet<string>;
}

/** Whose thing is touched. */
export interface Target {
  readonly project_id: string;
  readonly user_id: string;
}

export type Check = (who: Credentials, target: Target, rule: (name: string) => Check) => boolean;

const never: Check = () => false;
const always: Check = () => true;

function single(word: string): Check {
  if (word === '@') return always;
  if (word === '!') return never;
  const colon = word.indexOf(':');
  const kind = word.slice(0, colon);
  const match = word.slice(colon + 1);
  switch (kind) {
    case 'role':
      return (who) => who.roles.has(match.toLowerCase());
    case 'rule':
      return (who, target, rule) => rule(match)(who, target, rule);
    case 'is_admin':
      return (who, target, rule) => rule('context_is_admin')(who, target, rule) === (match === 'True');
    case 'project_id':
      return ownerCheck(word, match, 'project_id', (who) => who.projectId);
    case 'user_id':
      return ownerCheck(word, match, 'user_id', (who) => who.userId);
    default:
      throw new Error(`policy check ${JSON.stringify(word)}: expected @, !, role:, rule:, is_admin:, project_id: or user_id:`);
  }
}

function ownerCheck(word: string, match: string, field: keyof Target, own: (who: Credentials) => string): Check {
  if (!match.startsWith('%(')) return (who) => own(who) === match;
  if (match !== `%(${field})s`) throw new Error(`policy check ${JSON.stringify(word)}: expected %(${field})s behind the colon`);
  return (who, target) => own(who) !== '' && own(who) === target[field];
}

const words = (text: string): readonly string[] => {
  const found: string[] = [];
  for (const raw of text.split(/\s+/).filter((part) => part !== '')) {
    const core = raw.replace(/^\(+/, '');
    found.push(...'('.repeat(raw.length - core.length));
    // The parentheses of %(project_id)s belong to the check.
    const bare = core.replace(/\)+$/, '');
    const closing = core.length - bare.length;
    found.push(...(bare === '' ? [] : [bare]), ...')'.repeat(closing));
  }
  return found;
};

/** @throws Error that names the part that cannot be understood. */
export function parseCheck(text: string): Check {
  if (text.trim() === '') return always;
  const tokens = words(text);
  let at = 0;
  const or = (): Check => {
    let left = and();
    while (tokens[at] === 'or') {
      at++;
      const [first, second] = [left, and()];
      left = (...given) => first(...given) || second(...given);
    }
    return left;
  };
  const and = (): Check => {
    let left = not();
    while (tokens[at] === 'and') {
      at++;
      const [first, second] = [left, not()];
      left = (...given) => first(...given) && second(...given);
    }
    return left;
  };
  const not = (): Check => {
    if (tokens[at] === 'not') {
      at++;
      const inner = not();
      return (...given) => !inner(...given);
    }
    if (tokens[at] === '(') {
      at++;
      const inner = or();
      if (tokens[at] !== ')') throw new Error(`policy ${JSON.stringify(text)}: expected ")" at word ${at + 1}`);
      at++;
      return inner;
    }
    const word = tokens[at];
    if (word === undefined || word === ')') throw new Error(`policy ${JSON.stringify(text)}: expected a check at word ${at + 1}`);
    at++;
    return single(word);
  };
  const check = or();
  if (at !== tokens.length) throw new Error(`policy ${JSON.stringify(text)}: did not expect ${JSON.stringify(tokens[at])}`);
  return check;
}
