/** A task to be written in the transaction that accepts its request. `id` comes from the handed-in Random. */
export interface NewTask {
  readonly id: string;
  /** The name of a definition, like `create-servers`. */
  readonly kind: string;
  /** null: a task of a whole request. At most one live task per instance. */
  readonly instanceUuid: string | null;
  readonly requestId: string;
  /** As the definition's Params; plain JSON. */
  readonly params: object;
  /** When it ends at the latest; milliseconds from now. */
  readonly deadlineMs: number;
}
