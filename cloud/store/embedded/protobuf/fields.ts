/** Owns the field numbers of the messages that clients may send in protobuf, as published with the Kubernetes API. */
import { podRows } from './pod-fields.ts';

export interface Field {
  /** As in JSON; `*` = the members of the message stand in the holder itself. */
  name: string;
  /** `text`, `int`, `bool`, `bytes`, or the name of a message. */
  type: string;
  shape: 'one' | 'list' | 'map';
  /** Absent and zero differ: what was sent is kept even if it is zero. */
  optional: boolean;
}

/**
 * One message a row, a longer one goes on in indented lines: `name=number:type`. No type is text; `[type]` a list, `{type}` a map with text keys,
 * `type?` a value for which zero is not the same as absent. A message that is named but has no row is refused where it occurs.
 */
const rows = `
ConfigMap: metadata=1:ObjectMeta data=2:{text} binaryData=3:{bytes} immutable=4:bool?
Secret: metadata=1:ObjectMeta data=2:{bytes} type=3 stringData=4:{text} immutable=5:bool?
Namespace: metadata=1:ObjectMeta spec=2:NamespaceSpec status=3:NamespaceStatus
ServiceAccount: metadata=1:ObjectMeta secrets=2:[ObjectReference] imagePullSecrets=3:[LocalObjectReference]
  automountServiceAccountToken=4:bool?
Service: metadata=1:ObjectMeta spec=2:ServiceSpec status=3:ServiceStatus
Endpoints: metadata=1:ObjectMeta subsets=2:[EndpointSubset]
Event: metadata=1:ObjectMeta involvedObject=2:ObjectReference reason=3 message=4 source=5:EventSource firstTimestamp=6:Time
  lastTimestamp=7:Time count=8:int type=9 eventTime=10:MicroTime series=11:EventSeries action=12 related=13:ObjectReference
  reportingComponent=14 reportingInstance=15
Pod: metadata=1:ObjectMeta spec=2:PodSpec status=3:PodStatus
Node: metadata=1:ObjectMeta spec=2:NodeSpec status=3:NodeStatus
Binding: metadata=1:ObjectMeta target=2:ObjectReference
Deployment: metadata=1:ObjectMeta spec=2:DeploymentSpec status=3:DeploymentStatus
ReplicaSet: metadata=1:ObjectMeta spec=2:ReplicaSetSpec status=3:ReplicaSetStatus
DaemonSet: metadata=1:ObjectMeta spec=2:DaemonSetSpec status=3:DaemonSetStatus
Role: metadata=1:ObjectMeta rules=2:[PolicyRule]
RoleBinding: metadata=1:ObjectMeta subjects=2:[Subject] roleRef=3:RoleRef
ClusterRole: metadata=1:ObjectMeta rules=2:[PolicyRule] aggregationRule=3:AggregationRule
ClusterRoleBinding: metadata=1:ObjectMeta subjects=2:[Subject] roleRef=3:RoleRef
SelfSubjectAccessReview: metadata=1:ObjectMeta spec=2:SelfSubjectAccessReviewSpec status=3:SubjectAccessReviewStatus
SelfSubjectRulesReview: metadata=1:ObjectMeta spec=2:SelfSubjectRulesReviewSpec status=3:SubjectRulesReviewStatus
SubjectAccessReview: metadata=1:ObjectMeta spec=2:SubjectAccessReviewSpec status=3:SubjectAccessReviewStatus
LocalSubjectAccessReview: metadata=1:ObjectMeta spec=2:SubjectAccessReviewSpec status=3:SubjectAccessReviewStatus
SelfSubjectReview: metadata=1:ObjectMeta status=2:SelfSubjectReviewStatus
TokenRequest: metadata=1:ObjectMeta spec=2:TokenRequestSpec status=3:TokenRequestStatus
Eviction: metadata=1:ObjectMeta deleteOptions=2:DeleteOptions
PodDisruptionBudget: metadata=1:ObjectMeta spec=2:PodDisruptionBudgetSpec status=3:PodDisruptionBudgetStatus
Lease: metadata=1:ObjectMeta spec=2:LeaseSpec
Scale: metadata=1:ObjectMeta spec=2:ScaleSpec status=3:ScaleStatus
DeleteOptions: gracePeriodSeconds=1:int? preconditions=2:Preconditions orphanDependents=3:bool? propagationPolicy=4:text?
  dryRun=5:[text]
ObjectMeta: name=1 generateName=2 namespace=3 selfLink=4 uid=5 resourceVersion=6 generation=7:int creationTimestamp=8:Time
  deletionTimestamp=9:Time deletionGracePeriodSeconds=10:int? labels=11:{text} annotations=12:{text}
  ownerReferences=13:[OwnerReference] finalizers=14:[text]
NamespaceSpec: finalizers=1:[text]
NamespaceStatus: phase=1 conditions=2:[NamespaceCondition]
ObjectReference: kind=1 namespace=2 name=3 uid=4 apiVersion=5 resourceVersion=6 fieldPath=7
LocalObjectReference: name=1
ServiceSpec: ports=1:[ServicePort] selector=2:{text} clusterIP=3 type=4 externalIPs=5:[text] sessionAffinity=7 loadBalancerIP=8
  loadBalancerSourceRanges=9:[text] externalName=10 externalTrafficPolicy=11 healthCheckNodePort=12:int
  publishNotReadyAddresses=13:bool sessionAffinityConfig=14:SessionAffinityConfig ipFamilyPolicy=17:text? clusterIPs=18:[text]
  ipFamilies=19:[text] allocateLoadBalancerNodePorts=20:bool? loadBalancerClass=21:text? internalTrafficPolicy=22:text?
  trafficDistribution=23:text?
ServiceStatus: loadBalancer=1:LoadBalancerStatus conditions=2:[Condition]
EndpointSubset: addresses=1:[EndpointAddress] notReadyAddresses=2:[EndpointAddress] ports=3:[EndpointPort]
EventSource: component=1 host=2
EventSeries: count=1:int lastObservedTime=2:MicroTime
NodeSpec: podCIDR=1 externalID=2 providerID=3 unschedulable=4:bool taints=5:[Taint] configSource=6:NodeConfigSource
  podCIDRs=7:[text]
NodeStatus: capacity=1:{Quantity} allocatable=2:{Quantity} phase=3 conditions=4:[NodeCondition] addresses=5:[NodeAddress]
  daemonEndpoints=6:NodeDaemonEndpoints nodeInfo=7:NodeSystemInfo images=8:[ContainerImage] volumesInUse=9:[text]
  volumesAttached=10:[AttachedVolume] config=11:NodeConfigStatus runtimeHandlers=12:[NodeRuntimeHandler] features=13:NodeFeatures
DeploymentSpec: replicas=1:int? selector=2:LabelSelector template=3:PodTemplateSpec strategy=4:DeploymentStrategy
  minReadySeconds=5:int revisionHistoryLimit=6:int? paused=7:bool progressDeadlineSeconds=9:int?
DeploymentStatus: observedGeneration=1:int replicas=2:int updatedReplicas=3:int availableReplicas=4:int unavailableReplicas=5:int
  conditions=6:[DeploymentCondition] readyReplicas=7:int collisionCount=8:int?
ReplicaSetSpec: replicas=1:int? selector=2:LabelSelector template=3:PodTemplateSpec minReadySeconds=4:int
ReplicaSetStatus: replicas=1:int fullyLabeledReplicas=2:int observedGeneration=3:int readyReplicas=4:int availableReplicas=5:int
  conditions=6:[ReplicaSetCondition]
DaemonSetSpec: selector=1:LabelSelector template=2:PodTemplateSpec updateStrategy=3:DaemonSetUpdateStrategy minReadySeconds=4:int
  revisionHistoryLimit=6:int?
DaemonSetStatus: currentNumberScheduled=1:int numberMisscheduled=2:int desiredNumberScheduled=3:int numberReady=4:int
  observedGeneration=5:int updatedNumberScheduled=6:int numberAvailable=7:int numberUnavailable=8:int collisionCount=9:int?
  conditions=10:[DaemonSetCondition]
PolicyRule: verbs=1:[text] apiGroups=2:[text] resources=3:[text] resourceNames=4:[text] nonResourceURLs=5:[text]
Subject: kind=1 apiGroup=2 name=3 namespace=4
RoleRef: apiGroup=1 kind=2 name=3
AggregationRule: clusterRoleSelectors=1:[LabelSelector]
SelfSubjectAccessReviewSpec: resourceAttributes=1:ResourceAttributes nonResourceAttributes=2:NonResourceAttributes
SubjectAccessReviewStatus: allowed=1:bool reason=2 evaluationError=3 denied=4:bool
SelfSubjectRulesReviewSpec: namespace=1
SubjectRulesReviewStatus: resourceRules=1:[ResourceRule] nonResourceRules=2:[NonResourceRule] incomplete=3:bool evaluationError=4
SubjectAccessReviewSpec: resourceAttributes=1:ResourceAttributes nonResourceAttributes=2:NonResourceAttributes user=3
  groups=4:[text] extra=5:{Items} uid=6
SelfSubjectReviewStatus: userInfo=1:UserInfo
TokenRequestSpec: audiences=1:[text] boundObjectRef=3:BoundObjectReference expirationSeconds=4:int?
TokenRequestStatus: token=1 expirationTimestamp=2:Time
PodDisruptionBudgetSpec: minAvailable=1:IntOrString selector=2:LabelSelector maxUnavailable=3:IntOrString
  unhealthyPodEvictionPolicy=4:text?
PodDisruptionBudgetStatus: observedGeneration=1:int disruptedPods=2:{Time} disruptionsAllowed=3:int currentHealthy=4:int
  desiredHealthy=5:int expectedPods=6:int conditions=7:[Condition]
LeaseSpec: holderIdentity=1:text? leaseDurationSeconds=2:int? acquireTime=3:MicroTime renewTime=4:MicroTime leaseTransitions=5:int?
  strategy=6:text? preferredHolder=7:text?
ScaleSpec: replicas=1:int
ScaleStatus: replicas=1:int selector=2
Preconditions: uid=1 resourceVersion=2:text?
OwnerReference: kind=1 name=3 uid=4 apiVersion=5 controller=6:bool? blockOwnerDeletion=7:bool?
NamespaceCondition: type=1 status=2 lastTransitionTime=4:Time reason=5 message=6
ServicePort: name=1 protocol=2 port=3:int targetPort=4:IntOrString nodePort=5:int appProtocol=6:text?
SessionAffinityConfig: clientIP=1:ClientIPConfig
LoadBalancerStatus: ingress=1:[LoadBalancerIngress]
Condition: type=1 status=2 observedGeneration=3:int lastTransitionTime=4:Time reason=5 message=6
EndpointAddress: ip=1 targetRef=2:ObjectReference hostname=3 nodeName=4:text?
EndpointPort: name=1 port=2:int protocol=3 appProtocol=4:text?
Taint: key=1 value=2 effect=3 timeAdded=4:Time
NodeConfigSource: configMap=2:ConfigMapNodeConfigSource
NodeCondition: type=1 status=2 lastHeartbeatTime=3:Time lastTransitionTime=4:Time reason=5 message=6
NodeAddress: type=1 address=2
NodeDaemonEndpoints: kubeletEndpoint=1:DaemonEndpoint
NodeSystemInfo: machineID=1 systemUUID=2 bootID=3 kernelVersion=4 osImage=5 containerRuntimeVersion=6 kubeletVersion=7
  kubeProxyVersion=8 operatingSystem=9 architecture=10 swap=11:NodeSwapStatus
ContainerImage: names=1:[text] sizeBytes=2:int
AttachedVolume: name=1 devicePath=2
NodeConfigStatus: assigned=1:NodeConfigSource active=2:NodeConfigSource lastKnownGood=3:NodeConfigSource error=4
NodeRuntimeHandler: name=1 features=2:NodeRuntimeHandlerFeatures
NodeFeatures: supplementalGroupsPolicy=1:bool?
LabelSelector: matchLabels=1:{text} matchExpressions=2:[LabelSelectorRequirement]
PodTemplateSpec: metadata=1:ObjectMeta spec=2:PodSpec
DeploymentStrategy: type=1 rollingUpdate=2:RollingUpdateDeployment
DeploymentCondition: type=1 status=2 reason=4 message=5 lastUpdateTime=6:Time lastTransitionTime=7:Time
ReplicaSetCondition: type=1 status=2 lastTransitionTime=3:Time reason=4 message=5
DaemonSetUpdateStrategy: type=1 rollingUpdate=2:RollingUpdateDaemonSet
DaemonSetCondition: type=1 status=2 lastTransitionTime=3:Time reason=4 message=5
ResourceAttributes: namespace=1 verb=2 group=3 version=4 resource=5 subresource=6 name=7 fieldSelector=8:FieldSelectorAttributes
  labelSelector=9:LabelSelectorAttributes
NonResourceAttributes: path=1 verb=2
ResourceRule: verbs=1:[text] apiGroups=2:[text] resources=3:[text] resourceNames=4:[text]
NonResourceRule: verbs=1:[text] nonResourceURLs=2:[text]
UserInfo: username=1 uid=2 groups=3:[text] extra=4:{Items}
BoundObjectReference: kind=1 apiVersion=2 name=3 uid=4
ClientIPConfig: timeoutSeconds=1:int?
LoadBalancerIngress: ip=1 hostname=2 ipMode=3:text? ports=4:[PortStatus]
ConfigMapNodeConfigSource: namespace=1 name=2 uid=3 resourceVersion=4 kubeletConfigKey=5
DaemonEndpoint: Port=1:int
NodeSwapStatus: capacity=1:int?
NodeRuntimeHandlerFeatures: recursiveReadOnlyMounts=1:bool? userNamespaces=2:bool?
LabelSelectorRequirement: key=1 operator=2 values=3:[text]
RollingUpdateDeployment: maxUnavailable=1:IntOrString maxSurge=2:IntOrString
RollingUpdateDaemonSet: maxUnavailable=1:IntOrString maxSurge=2:IntOrString
FieldSelectorAttributes: rawSelector=1 requirements=2:[FieldSelectorRequirement]
LabelSelectorAttributes: rawSelector=1 requirements=2:[LabelSelectorRequirement]
PortStatus: port=1:int protocol=2 error=3:text?
FieldSelectorRequirement: key=1 operator=2 values=3:[text]
`;

const messages = new Map<string, ReadonlyMap<number, Field>>();

/** Undefined where there is no such message. Parsed when first asked for. */
export function fieldsOf(message: string): ReadonlyMap<number, Field> | undefined {
  if (messages.size === 0) for (const row of `${rows}\n${podRows}`.replace(/\n +/g, ' ').split('\n')) readRow(row);
  return messages.get(message);
}

function readRow(row: string): void {
  const [message = '', text = ''] = row.split(': ');
  if (message === '') return;
  const fields = text.split(' ').map((entry): [number, Field] => {
    const found = /^([\w*]+)=(\d+)(?::([[{]?)(\w+)[\]}]?(\??))?$/.exec(entry);
    if (found === null) throw new Error(`field row ${message}: ${entry}`);
    const [, name = '', number, bracket, type = 'text', optional] = found;
    const shape = bracket === '[' ? 'list' : bracket === '{' ? 'map' : 'one';
    return [Number(number), { name, type, shape, optional: optional === '?' }];
  });
  messages.set(message, new Map(fields));
}
