package main

import (
	"net/netip"

	"github.com/cilium/cilium/pkg/fqdn/dns"
	"github.com/cilium/cilium/pkg/identity"
	slim_corev1 "github.com/cilium/cilium/pkg/k8s/slim/k8s/api/core/v1"
	slim_metav1 "github.com/cilium/cilium/pkg/k8s/slim/k8s/apis/meta/v1"
	k8sUtils "github.com/cilium/cilium/pkg/k8s/utils"
	"github.com/cilium/cilium/pkg/labels"
	"github.com/cilium/cilium/pkg/labelsfilter"
	"github.com/cilium/cilium/pkg/policy"
	"github.com/cilium/cilium/pkg/policy/api"

	"airtight.dev/oracles/wire"
)

// The first identities of pods, above all that are reserved.
const firstPod = 10_000

// identities are what one node knows of everybody.
type identities struct {
	node     string
	all      identity.IdentityMap
	byLabels map[string]identity.NumericIdentity
	pods     map[string]identity.NumericIdentity
	peers    map[wire.Peer]identity.NumericIdentity
	nodes    map[string]wire.Node
	// metadata of prefixes: those of rules, of groups, and of addresses that lookups gave.
	metadata map[netip.Prefix]labels.Labels
	names    []api.FQDNSelector
	nextPod  identity.NumericIdentity
	nextCIDR identity.NumericIdentity
}

func newIdentities(world wire.World, node string, parsed policies) *identities {
	ids := &identities{
		node:     node,
		all:      identity.ListReservedIdentities(),
		byLabels: map[string]identity.NumericIdentity{},
		pods:     map[string]identity.NumericIdentity{},
		peers:    map[wire.Peer]identity.NumericIdentity{},
		nodes:    map[string]wire.Node{},
		metadata: map[netip.Prefix]labels.Labels{},
		names:    parsed.names,
		nextPod:  firstPod,
		nextCIDR: identity.IdentityScopeLocal + 1,
	}
	for _, prefix := range policy.GetCIDRPrefixes(parsed.rules) {
		ids.metadata[prefix] = labels.GetCIDRLabels(prefix)
	}
	for prefix, own := range parsed.groups {
		if ids.metadata[prefix] == nil {
			ids.metadata[prefix] = labels.Labels{}
		}
		ids.metadata[prefix].MergeLabels(own)
	}
	for _, one := range world.Nodes {
		ids.nodes[one.Name] = one
	}
	if ids.nodes[node].ControlPlane {
		host := labels.Labels{labels.IDNameHost: labels.LabelHost[labels.IDNameHost]}
		host.MergeLabels(labels.LabelKubeAPIServer)
		ids.all[identity.ReservedIdentityHost] = host.LabelArray()
	}
	namespaces := map[string]wire.Namespace{}
	for _, namespace := range world.Namespaces {
		namespaces[namespace.Name] = namespace
	}
	for _, pod := range world.Pods {
		ids.pods[pod.Key()] = ids.global(podLabels(pod, namespaces[pod.Namespace], world.ClusterName))
	}
	for _, cell := range world.Cells {
		ids.peers[cell.Peer] = ids.peer(cell.Peer)
	}
	return ids
}

// podLabels are those of a pod's identity (pkg/endpoint/api, fetchK8sMetadataForEndpointFromPod).
func podLabels(pod wire.Pod, namespace wire.Namespace, cluster string) labels.Labels {
	home := &slim_corev1.Namespace{ObjectMeta: slim_metav1.ObjectMeta{Name: pod.Namespace, Labels: namespace.Labels}}
	sanitized := k8sUtils.SanitizePodLabels(pod.Labels, home, pod.ServiceAccount, cluster)
	own, _ := labelsfilter.Filter(labels.Map2Labels(sanitized, labels.LabelSourceK8s))
	return own
}

func (i *identities) global(own labels.Labels) identity.NumericIdentity {
	return i.intern(own, &i.nextPod)
}

func (i *identities) intern(own labels.Labels, next *identity.NumericIdentity) identity.NumericIdentity {
	if reserved := identity.LookupReservedIdentityByLabels(own); reserved != nil {
		return reserved.ID
	}
	key := string(own.SortedList())
	if known, ok := i.byLabels[key]; ok {
		return known
	}
	id := *next
	*next++
	i.byLabels[key] = id
	i.all[id] = own.LabelArray()
	return id
}

func (i *identities) peer(peer wire.Peer) identity.NumericIdentity {
	switch {
	case peer.Pod != "":
		return i.pods[peer.Pod]
	case peer.Node == i.node && peer.Node != "":
		return identity.ReservedIdentityHost
	case peer.Node != "" && i.nodes[peer.Node].ControlPlane:
		return identity.ReservedIdentityKubeAPIServer
	case peer.Node != "":
		return identity.ReservedIdentityRemoteNode
	}
	return i.intern(i.addressLabels(peer), &i.nextCIDR)
}

// addressLabels are those of the longest prefix that is known of, with those of its parents beneath
// (pkg/ipcache/metadata.go, resolveIdentity and mergeLabels).
func (i *identities) addressLabels(peer wire.Peer) labels.Labels {
	address := netip.MustParseAddr(peer.Address)
	own := i.nameLabels(peer.Name)
	hasCIDR := false
	for bits := address.BitLen(); bits >= 0; bits-- {
		prefix, _ := address.Prefix(bits)
		for key, label := range i.metadata[prefix] {
			if label.Source == labels.LabelSourceCIDR && hasCIDR {
				continue
			}
			if _, there := own[key]; !there {
				own[key] = label
				hasCIDR = hasCIDR || label.Source == labels.LabelSourceCIDR
			}
		}
	}
	own.AddWorldLabel(address)
	return own
}

// nameLabels are those of every selector that takes the name (pkg/fqdn/namemanager, deriveLabelsForName).
func (i *identities) nameLabels(name string) labels.Labels {
	own := labels.Labels{}
	if name == "" {
		return own
	}
	for _, selector := range i.names {
		expression, err := selector.ToRegex()
		if err == nil && expression.MatchString(dns.FQDN(name)) {
			label := selector.IdentityLabel()
			own[label.Key] = label
		}
	}
	return own
}
