/** Owns the settings of mappers that others wrote, which speak MQTT. */
import type { Setting } from '#beehive/config.ts';

export const thirdPartySettings = [
  {
    path: 'modules.mapperHost.thirdParty.protocols',
    type: 'strings',
    default: [],
    doc: 'protocols whose devices a mapper of somebody else serves over MQTT: our own leave them alone',
  },
  {
    path: 'modules.mapperHost.thirdParty.profileFile',
    type: 'string',
    default: '',
    doc: 'deviceProfile.json with the devices of those protocols, as mappers for KubeEdge up to 1.14 read it (/opt/kubeedge/deviceProfile.json); empty: none is written',
  },
  {
    path: 'modules.mapperHost.thirdParty.profileLayout',
    type: 'string',
    default: 'v1alpha2',
    oneOf: ['v1alpha2', 'v1alpha1'],
    doc: 'v1alpha2 for mappers of KubeEdge 1.4 to 1.14, v1alpha1 for those up to 1.3',
  },
  {
    path: 'modules.mapperHost.thirdParty.profileReaders',
    type: 'string',
    default: 'all',
    oneOf: ['all', 'group'],
    doc: 'who may read that file: all users of the board (0644) or the group of edgecore (0640)',
  },
  {
    path: 'modules.mapperHost.thirdParty.announce',
    type: 'boolean',
    default: true,
    doc: 'tell mappers made with mapper-sdk-go over MQTT which devices have come to the file and gone from it',
  },
] as const satisfies readonly Setting[];
