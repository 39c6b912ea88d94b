import { expect, test } from 'vitest';
import { serversThatFit } from './server-count.ts';

const each = { instances: 1, cores: 2, ram: 512 };
const budget = (limits: object, used: object = {}) => ({
  limits: { instances: -1, cores: -1, ram: -1, ...limits },
  used: { instances: 0, cores: 0, ram: 0, ...used },
});

test('without limits all that were asked for are made', () => {
  expect(serversThatFit({ min: 1, max: 7, each }, [budget({})])).toEqual({ count: 7 });
});

test('as many as fit are made, down to the least that was asked for', () => {
  expect(serversThatFit({ min: 2, max: 7, each }, [budget({ cores: 10 }, { cores: 3 })])).toEqual({ count: 3 });
});

test('a limit of the user within the project counts too', () => {
  expect(serversThatFit({ min: 1, max: 7, each }, [budget({ instances: 5 }), budget({ instances: 2 })])).toEqual({ count: 2 });
});

test('the refusal names the resources that are exceeded, and only those, as Nova does', () => {
  const full = budget({ cores: 20, instances: 10, ram: 51_200 }, { cores: 20, instances: 10, ram: 51_200 });
  expect(serversThatFit({ min: 4, max: 4, each: { instances: 1, cores: 2, ram: 2048 } }, [full])).toEqual({
    refusal:
      'Quota exceeded for cores, instances, ram: Requested 8, 4, 8192, but already used 20, 10, 51200 of 20, 10, 51200 cores, instances, ram',
  });
  expect(serversThatFit({ min: 2, max: 3, each }, [budget({ instances: 1, cores: 100 })])).toEqual({
    refusal: 'Quota exceeded for instances: Requested 2-3, but already used 0 of 1 instances',
  });
});

test('a use above a limit that was lowered leaves room for none', () => {
  expect(serversThatFit({ min: 1, max: 1, each }, [budget({ ram: 100 }, { ram: 4096 })])).toEqual({
    refusal: 'Quota exceeded for ram: Requested 512, but already used 4096 of 100 ram',
  });
});
