// Metadata must be stored before the first decorator of a message class runs.
import 'reflect-metadata';

export { Exclude, Expose, Type } from 'class-transformer';
