/** Owns accounts of a broker under test: passwords hashed as the command line does it. */
import { join } from 'node:path';
import { systemClock } from '#beehive/clock.ts';
import { editAccounts } from '#edge/broker/account-file.ts';
import type { Account } from '#edge/broker/accounts.ts';
import { hashPassword } from '#edge/broker/password.ts';
import { tempDir } from './temp-dir.ts';

export interface NewAccount extends Partial<Omit<Account, 'password'>> {
  name: string;
  password?: string;
}

export class TestAccounts {
  readonly path = join(tempDir(), 'edge', 'mqtt-accounts.json');

  async add(...accounts: NewAccount[]): Promise<void> {
    for (const { password, ...account } of accounts) {
      const hash = password === undefined ? {} : { password: await hashPassword(Buffer.from(password)) };
      await editAccounts(this.path, systemClock, (all) => {
        all.set(account.name, { kind: 'device', certificate: false, publish: [], subscribe: [], ...account, ...hash });
      });
    }
  }

  remove(name: string): Promise<void> {
    return editAccounts(this.path, systemClock, (all) => void all.delete(name));
  }
}
