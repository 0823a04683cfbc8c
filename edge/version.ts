/** Owns the version that programs show and nodes report. */

export const HIVELET_VERSION = '0.1.0';
/** Form that KubeEdge tools read: Kubernetes version, KubeEdge baseline, ours. */
export const NODE_VERSION = `v1.32.0-kubeedge-v1.9.1-hivelet-${HIVELET_VERSION}`;
export const VERSION = `hivelet ${HIVELET_VERSION} (wire: KubeEdge v1.9.1)`;
