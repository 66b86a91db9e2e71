package main

import (
	"encoding/json"
	"fmt"
	"net/netip"

	"github.com/cilium/cilium/pkg/k8s"
	cilium_v2 "github.com/cilium/cilium/pkg/k8s/apis/cilium.io/v2"
	slim_networkingv1 "github.com/cilium/cilium/pkg/k8s/slim/k8s/api/networking/v1"
	k8sUtils "github.com/cilium/cilium/pkg/k8s/utils"
	"github.com/cilium/cilium/pkg/labels"
	"github.com/cilium/cilium/pkg/policy/api"
	"github.com/cilium/cilium/pkg/policy/types"
	policyutils "github.com/cilium/cilium/pkg/policy/utils"

	"airtight.dev/oracles/wire"
)

// policies are a world's documents as the agent takes them.
type policies struct {
	rules  types.PolicyEntries
	names  []api.FQDNSelector
	groups map[netip.Prefix]labels.Labels
}

// parse reads every document, and says of those that the agent refuses why.
func parse(world wire.World, refused map[int]string) policies {
	parsed := policies{groups: map[netip.Prefix]labels.Labels{}}
	for index, document := range world.Documents {
		rules, err := parsed.read(document, world.ClusterName)
		if err != nil {
			refused[index] = err.Error()
		}
		parsed.rules = append(parsed.rules, rules...)
	}
	return parsed
}

func (p *policies) read(document json.RawMessage, cluster string) (types.PolicyEntries, error) {
	var kind wire.Kind
	if err := json.Unmarshal(document, &kind); err != nil {
		return nil, err
	}
	switch kind.Kind {
	case "NetworkPolicy":
		var object slim_networkingv1.NetworkPolicy
		if err := json.Unmarshal(document, &object); err != nil {
			return nil, err
		}
		return k8s.ParseNetworkPolicy(quiet, cluster, &object)
	case "CiliumNetworkPolicy":
		var object cilium_v2.CiliumNetworkPolicy
		if err := json.Unmarshal(document, &object); err != nil {
			return nil, err
		}
		return p.entries(object.Parse(quiet, cluster))
	case "CiliumClusterwideNetworkPolicy":
		var object cilium_v2.CiliumClusterwideNetworkPolicy
		if err := json.Unmarshal(document, &object); err != nil {
			return nil, err
		}
		return p.entries(object.Parse(quiet, cluster))
	case "CiliumCIDRGroup":
		var object cilium_v2.CiliumCIDRGroup
		if err := json.Unmarshal(document, &object); err != nil {
			return nil, err
		}
		p.group(&object)
		return nil, nil
	}
	return nil, fmt.Errorf("kind %s is not read here", kind.Kind)
}

// entries are rules as the repository keeps them (pkg/policy/k8s/cilium_network_policy.go).
func (p *policies) entries(rules api.Rules, err error) (types.PolicyEntries, error) {
	if err != nil {
		return nil, err
	}
	for _, rule := range rules {
		for _, egress := range rule.Egress {
			p.names = append(p.names, egress.ToFQDNs...)
		}
	}
	return policyutils.RulesToPolicyEntries(rules), nil
}

// group labels its prefixes (pkg/policy/k8s/cilium_cidr_group.go, cidrsAndLabelsForCIDRGroup).
func (p *policies) group(group *cilium_v2.CiliumCIDRGroup) {
	own := labels.Labels{}
	for key, value := range k8sUtils.RemoveCiliumLabels(group.Labels) {
		label := labels.NewLabel(key, value, labels.LabelSourceCIDRGroup)
		own[label.Key] = label
		encoded := labels.EncodedCIDRGroupLabel(label.Key, label.Value, label.Source)
		own[encoded.Key] = encoded
	}
	reference := api.LabelForCIDRGroupRef(group.Name)
	own[reference.Key] = reference
	for _, cidr := range group.Spec.ExternalCIDRs {
		prefix, err := netip.ParsePrefix(string(cidr))
		if err != nil {
			continue
		}
		prefix = prefix.Masked()
		if p.groups[prefix] == nil {
			p.groups[prefix] = labels.Labels{}
		}
		p.groups[prefix].MergeLabels(own)
		p.groups[prefix].AddWorldLabel(prefix.Addr())
	}
}
