/** Owns the types of the built-in kinds, a row each; the form is told in definitions.ts. Made from kubernetes-types 1.30.0 (Apache-2.0) by `UPDATE=1 node --import tsx test/unit/cloud/store/definitions.test.ts`. */

/** Changes with the descriptions. */
export const descriptionsDigest = '510e305e0481e901';

export const typeRows = `
admissionregistration/MatchCondition: expression!=text name!=text
admissionregistration/RuleWithOperations: apiGroups=[text] apiVersions=[text] operations=[text] resources=[text] scope=text
admissionregistration/ServiceReference: name!=text namespace!=text path=text port=int
admissionregistration/ValidatingWebhook: admissionReviewVersions!=[text] clientConfig!=WebhookClientConfig failurePolicy=text matchConditions=[MatchCondition]~name matchPolicy=text name!=text namespaceSelector=meta/LabelSelector objectSelector=meta/LabelSelector rules=[RuleWithOperations] sideEffects!=text timeoutSeconds=int
admissionregistration/ValidatingWebhookConfiguration: apiVersion=text kind=text metadata=meta/ObjectMeta webhooks=[ValidatingWebhook]~name
admissionregistration/WebhookClientConfig: caBundle=bytes service=ServiceReference url=text
apps/ControllerRevision: apiVersion=text data=free kind=text metadata=meta/ObjectMeta revision!=int
apps/DaemonSet: apiVersion=text kind=text metadata=meta/ObjectMeta spec=DaemonSetSpec status=DaemonSetStatus
apps/DaemonSetCondition: lastTransitionTime=time message=text reason=text status!=text type!=text
apps/DaemonSetSpec: minReadySeconds=int revisionHistoryLimit=int selector!=meta/LabelSelector template!=core/PodTemplateSpec updateStrategy=DaemonSetUpdateStrategy
apps/DaemonSetStatus: collisionCount=int conditions=[DaemonSetCondition]~type currentNumberScheduled!=int desiredNumberScheduled!=int numberAvailable=int numberMisscheduled!=int numberReady!=int numberUnavailable=int observedGeneration=int updatedNumberScheduled=int
apps/DaemonSetUpdateStrategy: rollingUpdate=RollingUpdateDaemonSet type=text
apps/Deployment: apiVersion=text kind=text metadata=meta/ObjectMeta spec=DeploymentSpec status=DeploymentStatus
apps/DeploymentCondition: lastTransitionTime=time lastUpdateTime=time message=text reason=text status!=text type!=text
apps/DeploymentSpec: minReadySeconds=int paused=bool progressDeadlineSeconds=int replicas=int revisionHistoryLimit=int selector!=meta/LabelSelector strategy=DeploymentStrategy template!=core/PodTemplateSpec
apps/DeploymentStatus: availableReplicas=int collisionCount=int conditions=[DeploymentCondition]~type observedGeneration=int readyReplicas=int replicas=int unavailableReplicas=int updatedReplicas=int
apps/DeploymentStrategy: rollingUpdate=RollingUpdateDeployment type=text
apps/ReplicaSet: apiVersion=text kind=text metadata=meta/ObjectMeta spec=ReplicaSetSpec status=ReplicaSetStatus
apps/ReplicaSetCondition: lastTransitionTime=time message=text reason=text status!=text type!=text
apps/ReplicaSetSpec: minReadySeconds=int replicas=int selector!=meta/LabelSelector template=core/PodTemplateSpec
apps/ReplicaSetStatus: availableReplicas=int conditions=[ReplicaSetCondition]~type fullyLabeledReplicas=int observedGeneration=int readyReplicas=int replicas!=int
apps/RollingUpdateDaemonSet: maxSurge=intstr maxUnavailable=intstr
apps/RollingUpdateDeployment: maxSurge=intstr maxUnavailable=intstr
authentication/BoundObjectReference: apiVersion=text kind=text name=text uid=text
authentication/SelfSubjectReview: apiVersion=text kind=text metadata=meta/ObjectMeta status=SelfSubjectReviewStatus
authentication/SelfSubjectReviewStatus: userInfo=UserInfo
authentication/TokenRequest: apiVersion=text kind=text metadata=meta/ObjectMeta spec!=TokenRequestSpec status=TokenRequestStatus
authentication/TokenRequestSpec: audiences!=[text] boundObjectRef=BoundObjectReference expirationSeconds=int
authentication/TokenRequestStatus: expirationTimestamp!=time token!=text
authentication/UserInfo: extra={[text]} groups=[text] uid=text username=text
authorization/LocalSubjectAccessReview: apiVersion=text kind=text metadata=meta/ObjectMeta spec!=SubjectAccessReviewSpec status=SubjectAccessReviewStatus
authorization/NonResourceAttributes: path=text verb=text
authorization/NonResourceRule: nonResourceURLs=[text] verbs!=[text]
authorization/ResourceAttributes: group=text name=text namespace=text resource=text subresource=text verb=text version=text fieldSelector=free labelSelector=free
authorization/ResourceRule: apiGroups=[text] resourceNames=[text] resources=[text] verbs=[text]
authorization/SelfSubjectAccessReview: apiVersion=text kind=text metadata=meta/ObjectMeta spec!=SelfSubjectAccessReviewSpec status=SubjectAccessReviewStatus
authorization/SelfSubjectAccessReviewSpec: nonResourceAttributes=NonResourceAttributes resourceAttributes=ResourceAttributes
authorization/SelfSubjectRulesReview: apiVersion=text kind=text metadata=meta/ObjectMeta spec!=SelfSubjectRulesReviewSpec status=SubjectRulesReviewStatus
authorization/SelfSubjectRulesReviewSpec: namespace=text
authorization/SubjectAccessReview: apiVersion=text kind=text metadata=meta/ObjectMeta spec!=SubjectAccessReviewSpec status=SubjectAccessReviewStatus
authorization/SubjectAccessReviewSpec: extra={[text]} groups=[text] nonResourceAttributes=NonResourceAttributes resourceAttributes=ResourceAttributes uid=text user=text
authorization/SubjectAccessReviewStatus: allowed!=bool denied=bool evaluationError=text reason=text
authorization/SubjectRulesReviewStatus: evaluationError=text incomplete!=bool nonResourceRules!=[NonResourceRule] resourceRules!=[ResourceRule]
autoscaling/Scale: apiVersion=text kind=text metadata=meta/ObjectMeta spec=ScaleSpec status=ScaleStatus
autoscaling/ScaleSpec: replicas=int
autoscaling/ScaleStatus: replicas!=int selector=text
coordination/Lease: apiVersion=text kind=text metadata=meta/ObjectMeta spec=LeaseSpec
coordination/LeaseSpec: acquireTime=micro holderIdentity=text leaseDurationSeconds=int leaseTransitions=int renewTime=micro strategy=text preferredHolder=text
core/AWSElasticBlockStoreVolumeSource: fsType=text partition=int readOnly=bool volumeID!=text
core/Affinity: nodeAffinity=NodeAffinity podAffinity=PodAffinity podAntiAffinity=PodAntiAffinity
core/AppArmorProfile: localhostProfile=text type!=text
core/AttachedVolume: devicePath!=text name!=text
core/AzureDiskVolumeSource: cachingMode=text diskName!=text diskURI!=text fsType=text kind=text readOnly=bool
core/AzureFileVolumeSource: readOnly=bool secretName!=text shareName!=text
core/Binding: apiVersion=text kind=text metadata=meta/ObjectMeta target!=ObjectReference
core/CSIVolumeSource: driver!=text fsType=text nodePublishSecretRef=LocalObjectReference readOnly=bool volumeAttributes={text}
core/Capabilities: add=[text] drop=[text]
core/CephFSVolumeSource: monitors!=[text] path=text readOnly=bool secretFile=text secretRef=LocalObjectReference user=text
core/CinderVolumeSource: fsType=text readOnly=bool secretRef=LocalObjectReference volumeID!=text
core/ClaimSource: resourceClaimName=text resourceClaimTemplateName=text
core/ClientIPConfig: timeoutSeconds=int
core/ClusterTrustBundleProjection: labelSelector=meta/LabelSelector name=text optional=bool path!=text signerName=text
core/ConfigMap: apiVersion=text binaryData={bytes} data={text} immutable=bool kind=text metadata=meta/ObjectMeta
core/ConfigMapEnvSource: name=text optional=bool
core/ConfigMapKeySelector~atomic: key!=text name=text optional=bool
core/ConfigMapNodeConfigSource: kubeletConfigKey!=text name!=text namespace!=text resourceVersion=text uid=text
core/ConfigMapProjection: items=[KeyToPath] name=text optional=bool
core/ConfigMapVolumeSource: defaultMode=int items=[KeyToPath] name=text optional=bool
core/Container: args=[text] command=[text] env=[EnvVar]~name envFrom=[EnvFromSource] image=text imagePullPolicy=text lifecycle=Lifecycle livenessProbe=Probe name!=text ports=[ContainerPort]~containerPort,protocol readinessProbe=Probe resizePolicy=[ContainerResizePolicy] resources=ResourceRequirements restartPolicy=text securityContext=SecurityContext startupProbe=Probe stdin=bool stdinOnce=bool terminationMessagePath=text terminationMessagePolicy=text tty=bool volumeDevices=[VolumeDevice]~devicePath volumeMounts=[VolumeMount]~mountPath workingDir=text
core/ContainerImage: names=[text] sizeBytes=int
core/ContainerPort: containerPort!=int hostIP=text hostPort=int name=text protocol=text
core/ContainerResizePolicy: resourceName!=text restartPolicy!=text
core/ContainerState: running=ContainerStateRunning terminated=ContainerStateTerminated waiting=ContainerStateWaiting
core/ContainerStateRunning: startedAt=time
core/ContainerStateTerminated: containerID=text exitCode!=int finishedAt=time message=text reason=text signal=int startedAt=time
core/ContainerStateWaiting: message=text reason=text
core/ContainerStatus: allocatedResources={quantity} containerID=text image!=text imageID!=text lastState=ContainerState name!=text ready!=bool resources=ResourceRequirements restartCount!=int started=bool state=ContainerState volumeMounts=[VolumeMountStatus] user=free allocatedResourcesStatus=[free]
core/DaemonEndpoint: Port!=int
core/DownwardAPIProjection: items=[DownwardAPIVolumeFile]
core/DownwardAPIVolumeFile: fieldRef=ObjectFieldSelector mode=int path!=text resourceFieldRef=ResourceFieldSelector
core/DownwardAPIVolumeSource: defaultMode=int items=[DownwardAPIVolumeFile]
core/EmptyDirVolumeSource: medium=text sizeLimit=quantity
core/EndpointAddress~atomic: hostname=text ip!=text nodeName=text targetRef=ObjectReference
core/EndpointPort~atomic: appProtocol=text name=text port!=int protocol=text
core/EndpointSubset: addresses=[EndpointAddress] notReadyAddresses=[EndpointAddress] ports=[EndpointPort]
core/Endpoints: apiVersion=text kind=text metadata=meta/ObjectMeta subsets=[EndpointSubset]
core/EnvFromSource: configMapRef=ConfigMapEnvSource prefix=text secretRef=SecretEnvSource
core/EnvVar: name!=text value=text valueFrom=EnvVarSource
core/EnvVarSource: configMapKeyRef=ConfigMapKeySelector fieldRef=ObjectFieldSelector resourceFieldRef=ResourceFieldSelector secretKeyRef=SecretKeySelector
core/EphemeralContainer: args=[text] command=[text] env=[EnvVar]~name envFrom=[EnvFromSource] image=text imagePullPolicy=text lifecycle=Lifecycle livenessProbe=Probe name!=text ports=[ContainerPort]~containerPort,protocol readinessProbe=Probe resizePolicy=[ContainerResizePolicy] resources=ResourceRequirements restartPolicy=text securityContext=SecurityContext startupProbe=Probe stdin=bool stdinOnce=bool targetContainerName=text terminationMessagePath=text terminationMessagePolicy=text tty=bool volumeDevices=[VolumeDevice]~devicePath volumeMounts=[VolumeMount]~mountPath workingDir=text
core/EphemeralVolumeSource: volumeClaimTemplate=PersistentVolumeClaimTemplate
core/Event: action=text apiVersion=text count=int eventTime=micro firstTimestamp=time involvedObject!=ObjectReference kind=text lastTimestamp=time message=text metadata!=meta/ObjectMeta reason=text related=ObjectReference reportingComponent=text reportingInstance=text series=EventSeries source=EventSource type=text
core/EventSeries: count=int lastObservedTime=micro
core/EventSource: component=text host=text
core/ExecAction: command=[text]
core/FCVolumeSource: fsType=text lun=int readOnly=bool targetWWNs=[text] wwids=[text]
core/FlexVolumeSource: driver!=text fsType=text options={text} readOnly=bool secretRef=LocalObjectReference
core/FlockerVolumeSource: datasetName=text datasetUUID=text
core/GCEPersistentDiskVolumeSource: fsType=text partition=int pdName!=text readOnly=bool
core/GRPCAction: port!=int service=text
core/GitRepoVolumeSource: directory=text repository!=text revision=text
core/GlusterfsVolumeSource: endpoints!=text path!=text readOnly=bool
core/HTTPGetAction: host=text httpHeaders=[HTTPHeader] path=text port!=intstr scheme=text
core/HTTPHeader: name!=text value!=text
core/HostAlias: hostnames=[text] ip=text
core/HostIP: ip=text
core/HostPathVolumeSource: path!=text type=text
core/ISCSIVolumeSource: chapAuthDiscovery=bool chapAuthSession=bool fsType=text initiatorName=text iqn!=text iscsiInterface=text lun!=int portals=[text] readOnly=bool secretRef=LocalObjectReference targetPortal!=text
core/ImageVolumeSource: reference=text pullPolicy=text
core/KeyToPath: key!=text mode=int path!=text
core/Lifecycle: postStart=LifecycleHandler preStop=LifecycleHandler
core/LifecycleHandler: exec=ExecAction httpGet=HTTPGetAction sleep=SleepAction tcpSocket=TCPSocketAction
core/LoadBalancerIngress: hostname=text ip=text ipMode=text ports=[PortStatus]
core/LoadBalancerStatus: ingress=[LoadBalancerIngress]
core/LocalObjectReference~atomic: name=text
core/NFSVolumeSource: path!=text readOnly=bool server!=text
core/Namespace: apiVersion=text kind=text metadata=meta/ObjectMeta spec=NamespaceSpec status=NamespaceStatus
core/NamespaceCondition: lastTransitionTime=time message=text reason=text status!=text type!=text
core/NamespaceSpec: finalizers=[text]
core/NamespaceStatus: conditions=[NamespaceCondition]~type phase=text
core/Node: apiVersion=text kind=text metadata=meta/ObjectMeta spec=NodeSpec status=NodeStatus
core/NodeAddress: address!=text type!=text
core/NodeAffinity: preferredDuringSchedulingIgnoredDuringExecution=[PreferredSchedulingTerm] requiredDuringSchedulingIgnoredDuringExecution=NodeSelector
core/NodeCondition: lastHeartbeatTime=time lastTransitionTime=time message=text reason=text status!=text type!=text
core/NodeConfigSource: configMap=ConfigMapNodeConfigSource
core/NodeConfigStatus: active=NodeConfigSource assigned=NodeConfigSource error=text lastKnownGood=NodeConfigSource
core/NodeDaemonEndpoints: kubeletEndpoint=DaemonEndpoint
core/NodeRuntimeHandler: features=NodeRuntimeHandlerFeatures name=text
core/NodeRuntimeHandlerFeatures: recursiveReadOnlyMounts=bool userNamespaces=bool
core/NodeSelector~atomic: nodeSelectorTerms!=[NodeSelectorTerm]
core/NodeSelectorRequirement: key!=text operator!=text values=[text]
core/NodeSelectorTerm~atomic: matchExpressions=[NodeSelectorRequirement] matchFields=[NodeSelectorRequirement]
core/NodeSpec: configSource=NodeConfigSource externalID=text podCIDR=text podCIDRs=[text]~set providerID=text taints=[Taint] unschedulable=bool
core/NodeStatus: addresses=[NodeAddress]~type allocatable={quantity} capacity={quantity} conditions=[NodeCondition]~type config=NodeConfigStatus daemonEndpoints=NodeDaemonEndpoints images=[ContainerImage] nodeInfo=NodeSystemInfo phase=text runtimeHandlers=[NodeRuntimeHandler] volumesAttached=[AttachedVolume] volumesInUse=[text] features=free
core/NodeSystemInfo: architecture!=text bootID!=text containerRuntimeVersion!=text kernelVersion!=text kubeProxyVersion!=text kubeletVersion!=text machineID!=text operatingSystem!=text osImage!=text systemUUID!=text swap=free
core/ObjectFieldSelector~atomic: apiVersion=text fieldPath!=text
core/ObjectReference~atomic: apiVersion=text fieldPath=text kind=text name=text namespace=text resourceVersion=text uid=text
core/PersistentVolumeClaimSpec: accessModes=[text] dataSource=TypedLocalObjectReference dataSourceRef=TypedObjectReference resources=VolumeResourceRequirements selector=meta/LabelSelector storageClassName=text volumeAttributesClassName=text volumeMode=text volumeName=text
core/PersistentVolumeClaimTemplate: metadata=meta/ObjectMeta spec!=PersistentVolumeClaimSpec
core/PersistentVolumeClaimVolumeSource: claimName!=text readOnly=bool
core/PhotonPersistentDiskVolumeSource: fsType=text pdID!=text
core/Pod: apiVersion=text kind=text metadata=meta/ObjectMeta spec=PodSpec status=PodStatus
core/PodAffinity: preferredDuringSchedulingIgnoredDuringExecution=[WeightedPodAffinityTerm] requiredDuringSchedulingIgnoredDuringExecution=[PodAffinityTerm]
core/PodAffinityTerm: labelSelector=meta/LabelSelector matchLabelKeys=[text] mismatchLabelKeys=[text] namespaceSelector=meta/LabelSelector namespaces=[text] topologyKey!=text
core/PodAntiAffinity: preferredDuringSchedulingIgnoredDuringExecution=[WeightedPodAffinityTerm] requiredDuringSchedulingIgnoredDuringExecution=[PodAffinityTerm]
core/PodCondition: lastProbeTime=time lastTransitionTime=time message=text reason=text status!=text type!=text
core/PodDNSConfig: nameservers=[text] options=[PodDNSConfigOption] searches=[text]
core/PodDNSConfigOption: name=text value=text
core/PodIP: ip=text
core/PodOS: name!=text
core/PodReadinessGate: conditionType!=text
core/PodResourceClaim: name!=text source=ClaimSource resourceClaimName=text resourceClaimTemplateName=text
core/PodResourceClaimStatus: name!=text resourceClaimName=text
core/PodSchedulingGate: name!=text
core/PodSecurityContext: appArmorProfile=AppArmorProfile fsGroup=int fsGroupChangePolicy=text runAsGroup=int runAsNonRoot=bool runAsUser=int seLinuxOptions=SELinuxOptions seccompProfile=SeccompProfile supplementalGroups=[int] sysctls=[Sysctl] windowsOptions=WindowsSecurityContextOptions supplementalGroupsPolicy=text seLinuxChangePolicy=text
core/PodSpec: activeDeadlineSeconds=int affinity=Affinity automountServiceAccountToken=bool containers!=[Container]~name dnsConfig=PodDNSConfig dnsPolicy=text enableServiceLinks=bool ephemeralContainers=[EphemeralContainer]~name hostAliases=[HostAlias]~ip hostIPC=bool hostNetwork=bool hostPID=bool hostUsers=bool hostname=text imagePullSecrets=[LocalObjectReference]~name initContainers=[Container]~name nodeName=text nodeSelector={text}~atomic os=PodOS overhead={quantity} preemptionPolicy=text priority=int priorityClassName=text readinessGates=[PodReadinessGate] resourceClaims=[PodResourceClaim]~name restartPolicy=text runtimeClassName=text schedulerName=text schedulingGates=[PodSchedulingGate]~name securityContext=PodSecurityContext serviceAccount=text serviceAccountName=text setHostnameAsFQDN=bool shareProcessNamespace=bool subdomain=text terminationGracePeriodSeconds=int tolerations=[Toleration] topologySpreadConstraints=[TopologySpreadConstraint]~topologyKey,whenUnsatisfiable volumes=[Volume]~name resources=ResourceRequirements
core/PodStatus: conditions=[PodCondition]~type containerStatuses=[ContainerStatus] ephemeralContainerStatuses=[ContainerStatus] hostIP=text hostIPs=[HostIP] initContainerStatuses=[ContainerStatus] message=text nominatedNodeName=text phase=text podIP=text podIPs=[PodIP]~ip qosClass=text reason=text resize=text resourceClaimStatuses=[PodResourceClaimStatus]~name startTime=time
core/PodTemplateSpec: metadata=meta/ObjectMeta spec=PodSpec
core/PortStatus: error=text port!=int protocol!=text
core/PortworxVolumeSource: fsType=text readOnly=bool volumeID!=text
core/PreferredSchedulingTerm: preference!=NodeSelectorTerm weight!=int
core/Probe: exec=ExecAction failureThreshold=int grpc=GRPCAction httpGet=HTTPGetAction initialDelaySeconds=int periodSeconds=int successThreshold=int tcpSocket=TCPSocketAction terminationGracePeriodSeconds=int timeoutSeconds=int
core/ProjectedVolumeSource: defaultMode=int sources=[VolumeProjection]
core/QuobyteVolumeSource: group=text readOnly=bool registry!=text tenant=text user=text volume!=text
core/RBDVolumeSource: fsType=text image!=text keyring=text monitors!=[text] pool=text readOnly=bool secretRef=LocalObjectReference user=text
core/ResourceClaim: name!=text request=text
core/ResourceFieldSelector~atomic: containerName=text divisor=quantity resource!=text
core/ResourceRequirements: claims=[ResourceClaim]~name limits={quantity} requests={quantity}
core/SELinuxOptions: level=text role=text type=text user=text
core/ScaleIOVolumeSource: fsType=text gateway!=text protectionDomain=text readOnly=bool secretRef!=LocalObjectReference sslEnabled=bool storageMode=text storagePool=text system!=text volumeName=text
core/SeccompProfile: localhostProfile=text type!=text
core/Secret: apiVersion=text data={bytes} immutable=bool kind=text metadata=meta/ObjectMeta stringData={text} type=text
core/SecretEnvSource: name=text optional=bool
core/SecretKeySelector~atomic: key!=text name=text optional=bool
core/SecretProjection: items=[KeyToPath] name=text optional=bool
core/SecretVolumeSource: defaultMode=int items=[KeyToPath] optional=bool secretName=text
core/SecurityContext: allowPrivilegeEscalation=bool appArmorProfile=AppArmorProfile capabilities=Capabilities privileged=bool procMount=text readOnlyRootFilesystem=bool runAsGroup=int runAsNonRoot=bool runAsUser=int seLinuxOptions=SELinuxOptions seccompProfile=SeccompProfile windowsOptions=WindowsSecurityContextOptions
core/Service: apiVersion=text kind=text metadata=meta/ObjectMeta spec=ServiceSpec status=ServiceStatus
core/ServiceAccount: apiVersion=text automountServiceAccountToken=bool imagePullSecrets=[LocalObjectReference] kind=text metadata=meta/ObjectMeta secrets=[ObjectReference]~name
core/ServiceAccountTokenProjection: audience=text expirationSeconds=int path!=text
core/ServicePort: appProtocol=text name=text nodePort=int port!=int protocol=text targetPort=intstr
core/ServiceSpec: allocateLoadBalancerNodePorts=bool clusterIP=text clusterIPs=[text] externalIPs=[text] externalName=text externalTrafficPolicy=text healthCheckNodePort=int internalTrafficPolicy=text ipFamilies=[text] ipFamilyPolicy=text loadBalancerClass=text loadBalancerIP=text loadBalancerSourceRanges=[text] ports=[ServicePort]~port,protocol publishNotReadyAddresses=bool selector={text}~atomic sessionAffinity=text sessionAffinityConfig=SessionAffinityConfig trafficDistribution=text type=text
core/ServiceStatus: conditions=[meta/Condition]~type loadBalancer=LoadBalancerStatus
core/SessionAffinityConfig: clientIP=ClientIPConfig
core/SleepAction: seconds!=int
core/StorageOSVolumeSource: fsType=text readOnly=bool secretRef=LocalObjectReference volumeName=text volumeNamespace=text
core/Sysctl: name!=text value!=text
core/TCPSocketAction: host=text port!=intstr
core/Taint: effect!=text key!=text timeAdded=time value=text
core/Toleration: effect=text key=text operator=text tolerationSeconds=int value=text
core/TopologySpreadConstraint: labelSelector=meta/LabelSelector matchLabelKeys=[text] maxSkew!=int minDomains=int nodeAffinityPolicy=text nodeTaintsPolicy=text topologyKey!=text whenUnsatisfiable!=text
core/TypedLocalObjectReference~atomic: apiGroup=text kind!=text name!=text
core/TypedObjectReference: apiGroup=text kind!=text name!=text namespace=text
core/Volume: awsElasticBlockStore=AWSElasticBlockStoreVolumeSource azureDisk=AzureDiskVolumeSource azureFile=AzureFileVolumeSource cephfs=CephFSVolumeSource cinder=CinderVolumeSource configMap=ConfigMapVolumeSource csi=CSIVolumeSource downwardAPI=DownwardAPIVolumeSource emptyDir=EmptyDirVolumeSource ephemeral=EphemeralVolumeSource fc=FCVolumeSource flexVolume=FlexVolumeSource flocker=FlockerVolumeSource gcePersistentDisk=GCEPersistentDiskVolumeSource gitRepo=GitRepoVolumeSource glusterfs=GlusterfsVolumeSource hostPath=HostPathVolumeSource iscsi=ISCSIVolumeSource name!=text nfs=NFSVolumeSource persistentVolumeClaim=PersistentVolumeClaimVolumeSource photonPersistentDisk=PhotonPersistentDiskVolumeSource portworxVolume=PortworxVolumeSource projected=ProjectedVolumeSource quobyte=QuobyteVolumeSource rbd=RBDVolumeSource scaleIO=ScaleIOVolumeSource secret=SecretVolumeSource storageos=StorageOSVolumeSource vsphereVolume=VsphereVirtualDiskVolumeSource image=ImageVolumeSource
core/VolumeDevice: devicePath!=text name!=text
core/VolumeMount: mountPath!=text mountPropagation=text name!=text readOnly=bool recursiveReadOnly=text subPath=text subPathExpr=text
core/VolumeMountStatus: mountPath!=text name!=text readOnly=bool recursiveReadOnly=text
core/VolumeProjection: clusterTrustBundle=ClusterTrustBundleProjection configMap=ConfigMapProjection downwardAPI=DownwardAPIProjection secret=SecretProjection serviceAccountToken=ServiceAccountTokenProjection
core/VolumeResourceRequirements: limits={quantity} requests={quantity}
core/VsphereVirtualDiskVolumeSource: fsType=text storagePolicyID=text storagePolicyName=text volumePath!=text
core/WeightedPodAffinityTerm: podAffinityTerm!=PodAffinityTerm weight!=int
core/WindowsSecurityContextOptions: gmsaCredentialSpec=text gmsaCredentialSpecName=text hostProcess=bool runAsUserName=text
discovery/Endpoint: addresses!=[text]~set conditions=EndpointConditions deprecatedTopology={text} hints=EndpointHints hostname=text nodeName=text targetRef=core/ObjectReference zone=text
discovery/EndpointConditions: ready=bool serving=bool terminating=bool
discovery/EndpointHints: forZones=[ForZone]
discovery/EndpointPort~atomic: appProtocol=text name=text port=int protocol=text
discovery/EndpointSlice: addressType!=text apiVersion=text endpoints!=[Endpoint] kind=text metadata=meta/ObjectMeta ports=[EndpointPort]
discovery/ForZone: name!=text
meta/Condition: lastTransitionTime!=time message!=text observedGeneration=int reason!=text status!=text type!=text
meta/DeleteOptions: apiVersion=text dryRun=[text] gracePeriodSeconds=int kind=text orphanDependents=bool preconditions=Preconditions propagationPolicy=text
meta/LabelSelector~atomic: matchExpressions=[LabelSelectorRequirement] matchLabels={text}
meta/LabelSelectorRequirement: key!=text operator!=text values=[text]
meta/ManagedFieldsEntry: apiVersion=text fieldsType=text fieldsV1=free manager=text operation=text subresource=text time=time
meta/ObjectMeta: annotations={text} creationTimestamp=time deletionGracePeriodSeconds=int deletionTimestamp=time finalizers=[text]~set generateName=text generation=int labels={text} managedFields=[ManagedFieldsEntry] name=text namespace=text ownerReferences=[OwnerReference]~uid resourceVersion=text selfLink=text uid=text
meta/OwnerReference~atomic: apiVersion!=text blockOwnerDeletion=bool controller=bool kind!=text name!=text uid!=text
meta/Preconditions: resourceVersion=text uid=text
networking/IPBlock~atomic: cidr!=text except=[text]
networking/NetworkPolicy: apiVersion=text kind=text metadata=meta/ObjectMeta spec=NetworkPolicySpec
networking/NetworkPolicyEgressRule: ports=[NetworkPolicyPort] to=[NetworkPolicyPeer]
networking/NetworkPolicyIngressRule: from=[NetworkPolicyPeer] ports=[NetworkPolicyPort]
networking/NetworkPolicyPeer: ipBlock=IPBlock namespaceSelector=meta/LabelSelector podSelector=meta/LabelSelector
networking/NetworkPolicyPort: endPort=int port=intstr protocol=text
networking/NetworkPolicySpec: egress=[NetworkPolicyEgressRule] ingress=[NetworkPolicyIngressRule] podSelector!=meta/LabelSelector policyTypes=[text]
policy/Eviction: apiVersion=text deleteOptions=meta/DeleteOptions kind=text metadata=meta/ObjectMeta
policy/PodDisruptionBudget: apiVersion=text kind=text metadata=meta/ObjectMeta spec=PodDisruptionBudgetSpec status=PodDisruptionBudgetStatus
policy/PodDisruptionBudgetSpec: maxUnavailable=intstr minAvailable=intstr selector=meta/LabelSelector unhealthyPodEvictionPolicy=text
policy/PodDisruptionBudgetStatus: conditions=[meta/Condition]~type currentHealthy!=int desiredHealthy!=int disruptedPods={time} disruptionsAllowed!=int expectedPods!=int observedGeneration=int
rbac/AggregationRule: clusterRoleSelectors=[meta/LabelSelector]
rbac/ClusterRole: aggregationRule=AggregationRule apiVersion=text kind=text metadata=meta/ObjectMeta rules=[PolicyRule]
rbac/ClusterRoleBinding: apiVersion=text kind=text metadata=meta/ObjectMeta roleRef!=RoleRef subjects=[Subject]
rbac/PolicyRule: apiGroups=[text] nonResourceURLs=[text] resourceNames=[text] resources=[text] verbs!=[text]
rbac/Role: apiVersion=text kind=text metadata=meta/ObjectMeta rules=[PolicyRule]
rbac/RoleBinding: apiVersion=text kind=text metadata=meta/ObjectMeta roleRef!=RoleRef subjects=[Subject]
rbac/RoleRef~atomic: apiGroup!=text kind!=text name!=text
rbac/Subject~atomic: apiGroup=text kind!=text name!=text namespace=text
`;
