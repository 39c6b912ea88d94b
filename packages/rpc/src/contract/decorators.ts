// class-transformer's decorators, for both kinds that TypeScript compiles: those of `experimentalDecorators`, and the
// standard ones. A standard field decorator does not see its class; what it says waits for the decorator of the class.
// Metadata must be stored before the first decorator of a message class runs.
import 'reflect-metadata';
import * as transformer from 'class-transformer';

type AnyClass = abstract new (...given: never[]) => unknown;

/** On a class, with `experimentalDecorators` or without. */
export interface MessageClassDecorator {
  (type: AnyClass): void;
  (type: AnyClass, context: ClassDecoratorContext): void;
}

/** On a field, with `experimentalDecorators` or without. */
export interface FieldDecorator {
  (prototype: object, field: string | symbol): void;
  (initial: undefined, context: ClassFieldDecoratorContext): void;
}

/** What the `@Expose` of a field may say. */
export interface ExposeOptions {
  /** The field's name in the message. Default: its own. */
  readonly name?: string;
  /** The first minor version with the field, as a whole number. Default 0. */
  readonly since?: number;
  /** The first minor version without it. Default: none. */
  readonly until?: number;
}

// Without it TypeScript's standard decorators have nothing that is shared between a class and its fields.
(Symbol as { metadata?: symbol }).metadata ??= Symbol.for('Symbol.metadata');

/** By the metadata object of their class. */
const waiting = new WeakMap<object, ((prototype: object) => void)[]>();

const isStandard = (context: unknown): context is ClassDecoratorContext | ClassFieldDecoratorContext =>
  typeof context === 'object' && context !== null && 'kind' in context;

/** On the class of a message: nothing of it travels but the fields that are exposed. */
export const Exclude = (): MessageClassDecorator => (type: AnyClass, context?: ClassDecoratorContext) => {
  transformer.Exclude()(type);
  if (context === undefined) return;
  for (const say of waiting.get(context.metadata as object) ?? []) say(type.prototype as object);
};

/** On a field that travels. Fields that came after the first version say `since`, and have a default. */
export const Expose = (options: ExposeOptions = {}): FieldDecorator => onField(transformer.Expose({ ...options }));

/** On a field whose value is of a message class, or a list of such; on a text, number or boolean it adds a check. */
export const Type = (type: () => AnyClass): FieldDecorator => onField(transformer.Type(type));

function onField(say: PropertyDecorator): FieldDecorator {
  return (prototype: object | undefined, field: string | symbol | ClassFieldDecoratorContext) => {
    if (!isStandard(field)) return say(prototype as object, field);
    const { name } = field;
    const metadata = field.metadata as object;
    const said = waiting.get(metadata) ?? [];
    said.push((its) => say(its, name));
    waiting.set(metadata, said);
  };
}
