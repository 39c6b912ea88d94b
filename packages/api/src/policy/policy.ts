import { dataRows } from '../schema/data.ts';
import { forbidden } from '../http/api-error.ts';
import { parseCheck, type Check, type Credentials, type Target } from './check.ts';

/** Who may do what. Rules come from the contract's table; `changes` replaces some by name, as a policy file does. */
export class Policy {
  readonly #rules: ReadonlyMap<string, Check>;

  constructor(changes: Readonly<Record<string, string>> = {}) {
    const texts = new Map(dataRows('policies.tsv').map((row) => [row['policy'] ?? '', row['check_string'] ?? '']));
    for (const [name, text] of Object.entries(changes)) texts.set(name, text);
    this.#rules = new Map([...texts].map(([name, text]) => [name, parseCheck(text)]));
  }

  /**
   * Whether the rule lets `who` touch what belongs to `target` (his own project and user when not given). All rules have
   * the scope "project": a token without a project (system, domain) is refused.
   */
  allows(name: string, who: Credentials, target: Target = { project_id: who.projectId, user_id: who.userId }): boolean {
    return who.projectId !== '' && this.#rule(name)(who, target, (other) => this.#rule(other));
  }

  /** @throws ApiError 403 */
  demand(name: string, who: Credentials, target?: Target): void {
    if (!this.allows(name, who, target)) throw refusal(name);
  }

  #rule(name: string): Check {
    const rule = this.#rules.get(name);
    if (rule === undefined) throw new Error(`no policy rule ${name}`);
    return rule;
  }
}

export const refusal = (name: string) => forbidden(`Policy doesn't allow ${name} to be performed.`);
