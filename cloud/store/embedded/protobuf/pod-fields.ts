/** Owns the field numbers of pods and all that is inside one, as published with the Kubernetes API; form of the rows: fields.ts. */

export const podRows = `
PodSpec: volumes=1:[Volume] containers=2:[Container] restartPolicy=3 terminationGracePeriodSeconds=4:int?
  activeDeadlineSeconds=5:int? dnsPolicy=6 nodeSelector=7:{text} serviceAccountName=8 serviceAccount=9 nodeName=10
  hostNetwork=11:bool hostPID=12:bool hostIPC=13:bool securityContext=14:PodSecurityContext
  imagePullSecrets=15:[LocalObjectReference] hostname=16 subdomain=17 affinity=18:Affinity schedulerName=19
  initContainers=20:[Container] automountServiceAccountToken=21:bool? tolerations=22:[Toleration] hostAliases=23:[HostAlias]
  priorityClassName=24 priority=25:int? dnsConfig=26:PodDNSConfig shareProcessNamespace=27:bool?
  readinessGates=28:[PodReadinessGate] runtimeClassName=29:text? enableServiceLinks=30:bool? preemptionPolicy=31:text?
  overhead=32:{Quantity} topologySpreadConstraints=33:[TopologySpreadConstraint] ephemeralContainers=34:[EphemeralContainer]
  setHostnameAsFQDN=35:bool? os=36:PodOS hostUsers=37:bool? schedulingGates=38:[PodSchedulingGate]
  resourceClaims=39:[PodResourceClaim] resources=40:ResourceRequirements
PodStatus: phase=1 conditions=2:[PodCondition] message=3 reason=4 hostIP=5 podIP=6 startTime=7:Time
  containerStatuses=8:[ContainerStatus] qosClass=9 initContainerStatuses=10:[ContainerStatus] nominatedNodeName=11 podIPs=12:[PodIP]
  ephemeralContainerStatuses=13:[ContainerStatus] resize=14 resourceClaimStatuses=15:[PodResourceClaimStatus] hostIPs=16:[HostIP]
  observedGeneration=17:int allocatedResources=19:{Quantity} resources=20:ResourceRequirements
Volume: name=1 *=2:VolumeSource
Container: name=1 image=2 command=3:[text] args=4:[text] workingDir=5 ports=6:[ContainerPort] env=7:[EnvVar]
  resources=8:ResourceRequirements volumeMounts=9:[VolumeMount] livenessProbe=10:Probe readinessProbe=11:Probe
  lifecycle=12:Lifecycle terminationMessagePath=13 imagePullPolicy=14 securityContext=15:SecurityContext stdin=16:bool
  stdinOnce=17:bool tty=18:bool envFrom=19:[EnvFromSource] terminationMessagePolicy=20 volumeDevices=21:[VolumeDevice]
  startupProbe=22:Probe resizePolicy=23:[ContainerResizePolicy] restartPolicy=24:text?
PodSecurityContext: seLinuxOptions=1:SELinuxOptions runAsUser=2:int? runAsNonRoot=3:bool? supplementalGroups=4:[int] fsGroup=5:int?
  runAsGroup=6:int? sysctls=7:[Sysctl] windowsOptions=8:WindowsSecurityContextOptions fsGroupChangePolicy=9:text?
  seccompProfile=10:SeccompProfile appArmorProfile=11:AppArmorProfile supplementalGroupsPolicy=12:text? seLinuxChangePolicy=13:text?
Affinity: nodeAffinity=1:NodeAffinity podAffinity=2:PodAffinity podAntiAffinity=3:PodAntiAffinity
Toleration: key=1 operator=2 value=3 effect=4 tolerationSeconds=5:int?
HostAlias: ip=1 hostnames=2:[text]
PodDNSConfig: nameservers=1:[text] searches=2:[text] options=3:[PodDNSConfigOption]
PodReadinessGate: conditionType=1
TopologySpreadConstraint: maxSkew=1:int topologyKey=2 whenUnsatisfiable=3 labelSelector=4:LabelSelector minDomains=5:int?
  nodeAffinityPolicy=6:text? nodeTaintsPolicy=7:text? matchLabelKeys=8:[text]
EphemeralContainer: *=1:EphemeralContainerCommon targetContainerName=2
PodOS: name=1
PodSchedulingGate: name=1
PodResourceClaim: name=1 resourceClaimName=3:text? resourceClaimTemplateName=4:text?
ResourceRequirements: limits=1:{Quantity} requests=2:{Quantity} claims=3:[ResourceClaim]
PodCondition: type=1 status=2 lastProbeTime=3:Time lastTransitionTime=4:Time reason=5 message=6 observedGeneration=7:int
ContainerStatus: name=1 state=2:ContainerState lastState=3:ContainerState ready=4:bool? restartCount=5:int? image=6 imageID=7
  containerID=8 started=9:bool? allocatedResources=10:{Quantity} resources=11:ResourceRequirements
  volumeMounts=12:[VolumeMountStatus] user=13:ContainerUser allocatedResourcesStatus=14:[ResourceStatus]
PodIP: ip=1
PodResourceClaimStatus: name=1 resourceClaimName=2:text?
HostIP: ip=1
VolumeSource: hostPath=1:HostPathVolumeSource emptyDir=2:EmptyDirVolumeSource gcePersistentDisk=3:GCEPersistentDiskVolumeSource
  awsElasticBlockStore=4:AWSElasticBlockStoreVolumeSource gitRepo=5:GitRepoVolumeSource secret=6:SecretVolumeSource
  nfs=7:NFSVolumeSource iscsi=8:ISCSIVolumeSource glusterfs=9:GlusterfsVolumeSource
  persistentVolumeClaim=10:PersistentVolumeClaimVolumeSource rbd=11:RBDVolumeSource flexVolume=12:FlexVolumeSource
  cinder=13:CinderVolumeSource cephfs=14:CephFSVolumeSource flocker=15:FlockerVolumeSource downwardAPI=16:DownwardAPIVolumeSource
  fc=17:FCVolumeSource azureFile=18:AzureFileVolumeSource configMap=19:ConfigMapVolumeSource
  vsphereVolume=20:VsphereVirtualDiskVolumeSource quobyte=21:QuobyteVolumeSource azureDisk=22:AzureDiskVolumeSource
  photonPersistentDisk=23:PhotonPersistentDiskVolumeSource portworxVolume=24:PortworxVolumeSource scaleIO=25:ScaleIOVolumeSource
  projected=26:ProjectedVolumeSource storageos=27:StorageOSVolumeSource csi=28:CSIVolumeSource ephemeral=29:EphemeralVolumeSource
  image=30:ImageVolumeSource
ContainerPort: name=1 hostPort=2:int containerPort=3:int protocol=4 hostIP=5
EnvVar: name=1 value=2 valueFrom=3:EnvVarSource
VolumeMount: name=1 readOnly=2:bool mountPath=3 subPath=4 mountPropagation=5:text? subPathExpr=6 recursiveReadOnly=7:text?
Probe: *=1:ProbeHandler initialDelaySeconds=2:int timeoutSeconds=3:int periodSeconds=4:int successThreshold=5:int
  failureThreshold=6:int terminationGracePeriodSeconds=7:int?
Lifecycle: postStart=1:LifecycleHandler preStop=2:LifecycleHandler
SecurityContext: capabilities=1:Capabilities privileged=2:bool? seLinuxOptions=3:SELinuxOptions runAsUser=4:int?
  runAsNonRoot=5:bool? readOnlyRootFilesystem=6:bool? allowPrivilegeEscalation=7:bool? runAsGroup=8:int? procMount=9:text?
  windowsOptions=10:WindowsSecurityContextOptions seccompProfile=11:SeccompProfile appArmorProfile=12:AppArmorProfile
EnvFromSource: prefix=1 configMapRef=2:ConfigMapEnvSource secretRef=3:SecretEnvSource
VolumeDevice: name=1 devicePath=2
ContainerResizePolicy: resourceName=1 restartPolicy=2
SELinuxOptions: user=1 role=2 type=3 level=4
Sysctl: name=1 value=2
WindowsSecurityContextOptions: gmsaCredentialSpecName=1:text? gmsaCredentialSpec=2:text? runAsUserName=3:text? hostProcess=4:bool?
SeccompProfile: type=1 localhostProfile=2:text?
AppArmorProfile: type=1 localhostProfile=2:text?
NodeAffinity: requiredDuringSchedulingIgnoredDuringExecution=1:NodeSelector
  preferredDuringSchedulingIgnoredDuringExecution=2:[PreferredSchedulingTerm]
PodAffinity: requiredDuringSchedulingIgnoredDuringExecution=1:[PodAffinityTerm]
  preferredDuringSchedulingIgnoredDuringExecution=2:[WeightedPodAffinityTerm]
PodAntiAffinity: requiredDuringSchedulingIgnoredDuringExecution=1:[PodAffinityTerm]
  preferredDuringSchedulingIgnoredDuringExecution=2:[WeightedPodAffinityTerm]
PodDNSConfigOption: name=1 value=2:text?
EphemeralContainerCommon: name=1 image=2 command=3:[text] args=4:[text] workingDir=5 ports=6:[ContainerPort] env=7:[EnvVar]
  resources=8:ResourceRequirements volumeMounts=9:[VolumeMount] livenessProbe=10:Probe readinessProbe=11:Probe
  lifecycle=12:Lifecycle terminationMessagePath=13 imagePullPolicy=14 securityContext=15:SecurityContext stdin=16:bool
  stdinOnce=17:bool tty=18:bool envFrom=19:[EnvFromSource] terminationMessagePolicy=20 volumeDevices=21:[VolumeDevice]
  startupProbe=22:Probe resizePolicy=23:[ContainerResizePolicy] restartPolicy=24:text?
ResourceClaim: name=1 request=2
ContainerState: waiting=1:ContainerStateWaiting running=2:ContainerStateRunning terminated=3:ContainerStateTerminated
VolumeMountStatus: name=1 mountPath=2 readOnly=3:bool recursiveReadOnly=4:text?
ContainerUser: linux=1:LinuxContainerUser
ResourceStatus: name=1 resources=2:[ResourceHealth]
HostPathVolumeSource: path=1 type=2:text?
EmptyDirVolumeSource: medium=1 sizeLimit=2:Quantity
SecretVolumeSource: secretName=1 items=2:[KeyToPath] defaultMode=3:int? optional=4:bool?
NFSVolumeSource: server=1 path=2 readOnly=3:bool
PersistentVolumeClaimVolumeSource: claimName=1 readOnly=2:bool
DownwardAPIVolumeSource: items=1:[DownwardAPIVolumeFile] defaultMode=2:int?
ConfigMapVolumeSource: *=1:LocalObjectReference items=2:[KeyToPath] defaultMode=3:int? optional=4:bool?
ProjectedVolumeSource: sources=1:[VolumeProjection] defaultMode=2:int?
CSIVolumeSource: driver=1 readOnly=2:bool? fsType=3:text? volumeAttributes=4:{text} nodePublishSecretRef=5:LocalObjectReference
EphemeralVolumeSource: volumeClaimTemplate=1:PersistentVolumeClaimTemplate
ImageVolumeSource: reference=1 pullPolicy=2
EnvVarSource: fieldRef=1:ObjectFieldSelector resourceFieldRef=2:ResourceFieldSelector configMapKeyRef=3:ConfigMapKeySelector
  secretKeyRef=4:SecretKeySelector
ProbeHandler: exec=1:ExecAction httpGet=2:HTTPGetAction tcpSocket=3:TCPSocketAction grpc=4:GRPCAction
LifecycleHandler: exec=1:ExecAction httpGet=2:HTTPGetAction tcpSocket=3:TCPSocketAction sleep=4:SleepAction
Capabilities: add=1:[text] drop=2:[text]
ConfigMapEnvSource: *=1:LocalObjectReference optional=2:bool?
SecretEnvSource: *=1:LocalObjectReference optional=2:bool?
NodeSelector: nodeSelectorTerms=1:[NodeSelectorTerm]
PreferredSchedulingTerm: weight=1:int preference=2:NodeSelectorTerm
PodAffinityTerm: labelSelector=1:LabelSelector namespaces=2:[text] topologyKey=3 namespaceSelector=4:LabelSelector
  matchLabelKeys=5:[text] mismatchLabelKeys=6:[text]
WeightedPodAffinityTerm: weight=1:int podAffinityTerm=2:PodAffinityTerm
ContainerStateWaiting: reason=1 message=2
ContainerStateRunning: startedAt=1:Time
ContainerStateTerminated: exitCode=1:int? signal=2:int reason=3 message=4 startedAt=5:Time finishedAt=6:Time containerID=7
LinuxContainerUser: uid=1:int gid=2:int supplementalGroups=3:[int]
ResourceHealth: resourceID=1 health=2 message=6:text?
KeyToPath: key=1 path=2 mode=3:int?
DownwardAPIVolumeFile: path=1 fieldRef=2:ObjectFieldSelector resourceFieldRef=3:ResourceFieldSelector mode=4:int?
VolumeProjection: secret=1:SecretProjection downwardAPI=2:DownwardAPIProjection configMap=3:ConfigMapProjection
  serviceAccountToken=4:ServiceAccountTokenProjection clusterTrustBundle=5:ClusterTrustBundleProjection
PersistentVolumeClaimTemplate: metadata=1:ObjectMeta spec=2:PersistentVolumeClaimSpec
ObjectFieldSelector: apiVersion=1 fieldPath=2
ResourceFieldSelector: containerName=1 resource=2 divisor=3:Quantity
ConfigMapKeySelector: *=1:LocalObjectReference key=2 optional=3:bool?
SecretKeySelector: *=1:LocalObjectReference key=2 optional=3:bool?
ExecAction: command=1:[text]
HTTPGetAction: path=1 port=2:IntOrString host=3 scheme=4 httpHeaders=5:[HTTPHeader]
TCPSocketAction: port=1:IntOrString host=2
GRPCAction: port=1:int service=2:text?
SleepAction: seconds=1:int
NodeSelectorTerm: matchExpressions=1:[NodeSelectorRequirement] matchFields=2:[NodeSelectorRequirement]
SecretProjection: *=1:LocalObjectReference items=2:[KeyToPath] optional=4:bool?
DownwardAPIProjection: items=1:[DownwardAPIVolumeFile]
ConfigMapProjection: *=1:LocalObjectReference items=2:[KeyToPath] optional=4:bool?
ServiceAccountTokenProjection: audience=1 expirationSeconds=2:int? path=3
ClusterTrustBundleProjection: name=1:text? signerName=2:text? labelSelector=3:LabelSelector path=4 optional=5:bool?
PersistentVolumeClaimSpec: accessModes=1:[text] resources=2:VolumeResourceRequirements volumeName=3 selector=4:LabelSelector
  storageClassName=5:text? volumeMode=6:text? dataSource=7:TypedLocalObjectReference dataSourceRef=8:TypedObjectReference
  volumeAttributesClassName=9:text?
HTTPHeader: name=1 value=2
NodeSelectorRequirement: key=1 operator=2 values=3:[text]
VolumeResourceRequirements: limits=1:{Quantity} requests=2:{Quantity}
TypedLocalObjectReference: apiGroup=1:text? kind=2 name=3
TypedObjectReference: apiGroup=1:text? kind=2 name=3 namespace=4:text?
`;
