/** Owns how boards get in and stay in, put together: the authorities of this cloudcore, tokens, lists, renewals, and the port where boards ask. */
import { readFile } from 'node:fs/promises';
import type { Module } from '#beehive/module.ts';
import { HttpsService } from './cloudhub/https-service.ts';
import type { CloudParts } from './compose.ts';
import { Enrolment } from './enrolment/enrolment.ts';
import { NodeCertificates } from './enrolment/node-certificates.ts';
import { NodeLists } from './enrolment/node-lists.ts';
import { nodeStateOf } from './enrolment/node-state.ts';
import { Rotation } from './enrolment/rotation.ts';
import { SharedToken } from './enrolment/shared-token.ts';
import { TokenStore } from './enrolment/token-store.ts';
import { AuthoritySite, type ServerTls } from './pki/authority-site.ts';
import { cloudFiles } from './pki/init.ts';
import { NodeSigner, authorityHash } from './pki/node-signer.ts';

export interface Joining {
  certificates: NodeCertificates;
  https: HttpsService;
  rotation: Rotation;
  site: AuthoritySite;
  /** As they are at the start. */
  tls: ServerTls;
  /** In the order in which they start. */
  modules: [boolean, Module][];
}

export interface JoiningPorts {
  leads: () => boolean;
  /** What is good for the node may be something else now. */
  recheck: (node: string) => void;
  endLink: (node: string, reason: string) => void;
  endLinks: (reason: string) => void;
  /** The hub shows and trusts something else from now on. */
  useTls: (tls: ServerTls) => void;
}

const DAY_MS = 24 * 60 * 60 * 1000;

/** Throws CONFIG_INVALID for a certificate file that cannot be read. */
export async function joiningOf(options: CloudParts, ports: JoiningPorts): Promise<Joining> {
  const { api, config, clock } = options;
  const site = siteOf(options);
  const tls = await site.tls();
  const graceMs = config.get('modules.cloudHub.certificateGrace') * DAY_MS;
  const [lists, tokens] = [new NodeLists({ api, clock, graceMs }), new TokenStore(options)];
  const certificates = new NodeCertificates({ api, lists, changed: ports.recheck });
  const enrolment = enrolmentOf(options, { site, tokens, lists });
  const rotation = rotationOf(options, { site, lists, enrolment, ports });
  const shared = new SharedToken({ api, tokens, authority: async () => authorityHash((await site.tls()).ca), leads: ports.leads });
  const https = await httpsOf(options, { tls, certificates, enrolment });
  site.onChange((now) => {
    https.useTls(now);
    ports.useTls(now);
  });
  const modules: Joining['modules'] = [
    [true, certificates],
    [true, rotation],
    [config.get('modules.cloudHub.keadmToken'), shared],
  ];
  return { certificates, https, rotation, site, tls, modules };
}

/** What boards may dial with, at the hub and at the certificate port. */
export function oldestTlsOf(config: CloudParts['config']): 'TLSv1.2' | 'TLSv1.3' {
  return config.get('modules.cloudHub.minTLSVersion') === 'TLSv1.2' ? 'TLSv1.2' : 'TLSv1.3';
}

function siteOf({ config, dataDir, clock, log, advertise }: CloudParts): AuthoritySite {
  return new AuthoritySite({
    dataDir,
    named: {
      tlsCAFile: config.get('modules.cloudHub.tlsCAFile'),
      tlsCAKeyFile: config.get('modules.cloudHub.tlsCAKeyFile'),
      tlsCertFile: config.get('modules.cloudHub.tlsCertFile'),
      tlsPrivateKeyFile: config.get('modules.cloudHub.tlsPrivateKeyFile'),
    },
    advertise,
    clock,
    log: log.child({ module: 'authorities' }),
  });
}

function enrolmentOf(
  { config, api, clock, log }: CloudParts,
  { site, tokens, lists }: { site: AuthoritySite; tokens: TokenStore; lists: NodeLists },
): Enrolment {
  const signer = new NodeSigner({ clock });
  return new Enrolment({
    api,
    tokens,
    lists,
    sign: async (purpose, asked) => signer.sign(await site.signer(purpose), asked),
    graceMs: config.get('modules.cloudHub.certificateGrace') * DAY_MS,
    clock,
    log: log.child({ module: 'enrolment' }),
  });
}

function rotationOf(
  { api, refreshApi }: CloudParts,
  { site, lists, enrolment, ports }: { site: AuthoritySite; lists: NodeLists; enrolment: Enrolment; ports: JoiningPorts },
): Rotation {
  // The embedded API has files of its own, that change with ours.
  const andApi = async (work: Promise<void>): Promise<void> => {
    await work;
    await refreshApi?.();
  };
  return new Rotation({
    api,
    lists,
    site: {
      follow: (record) => andApi(site.follow(record)),
      look: () => andApi(site.look()),
      renew: () => andApi(site.renew()),
      trusted: () => site.trusted(),
    },
    leads: ports.leads,
    renew: (asked) => enrolment.renew(asked),
    endLink: ports.endLink,
    endLinks: ports.endLinks,
  });
}

async function httpsOf(
  { config, dataDir, uploads, health, api }: CloudParts,
  { tls, certificates, enrolment }: { tls: ServerTls; certificates: NodeCertificates; enrolment: Enrolment },
): Promise<HttpsService> {
  return new HttpsService({
    listen: { host: config.get('modules.cloudHub.https.address'), port: config.get('modules.cloudHub.https.port') },
    oldestTls: oldestTlsOf(config),
    tls,
    adminToken: (await readFile(cloudFiles(dataDir).adminToken, 'utf8')).trim(),
    uploads,
    health,
    enrol: (request) => enrolment.issue(request),
    nodeState: async (node, fingerprint) => {
      const refused = certificates.refusal(node, fingerprint);
      return refused === undefined ? nodeStateOf(api, node) : { refused };
    },
  });
}
