package main

import (
	"encoding/json"
	"fmt"
	"net/netip"

	"github.com/cilium/cilium/pkg/k8s"
	cilium_v2 "github.com/cilium/cilium/pkg/k8s/apis/cilium.io/v2"
	cilium_v2alpha1 "github.com/cilium/cilium/pkg/k8s/apis/cilium.io/v2alpha1"
	slim_networkingv1 "github.com/cilium/cilium/pkg/k8s/slim/k8s/api/networking/v1"
	k8sUtils "github.com/cilium/cilium/pkg/k8s/utils"
	"github.com/cilium/cilium/pkg/labels"
	"github.com/cilium/cilium/pkg/policy/api"

	"airtight.dev/oracles/wire"
)

// policies are a world's documents as the agent takes them.
type policies struct {
	rules  api.Rules
	groups map[netip.Prefix]labels.Labels
}

// parse reads every document, and says of those that the agent refuses why.
func parse(world wire.World, refused map[int]string) policies {
	parsed := policies{groups: map[netip.Prefix]labels.Labels{}}
	for index, document := range world.Documents {
		rules, err := parsed.read(document)
		if err != nil {
			refused[index] = err.Error()
		}
		parsed.rules = append(parsed.rules, rules...)
	}
	return parsed
}

func (p *policies) read(document json.RawMessage) (api.Rules, error) {
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
		return k8s.ParseNetworkPolicy(&object)
	case "CiliumNetworkPolicy":
		var object cilium_v2.CiliumNetworkPolicy
		if err := json.Unmarshal(document, &object); err != nil {
			return nil, err
		}
		return object.Parse()
	case "CiliumClusterwideNetworkPolicy":
		var object cilium_v2.CiliumClusterwideNetworkPolicy
		if err := json.Unmarshal(document, &object); err != nil {
			return nil, err
		}
		return object.Parse()
	case "CiliumCIDRGroup":
		var object cilium_v2alpha1.CiliumCIDRGroup
		if err := json.Unmarshal(document, &object); err != nil {
			return nil, err
		}
		p.group(&object)
		return nil, nil
	}
	return nil, fmt.Errorf("kind %s is not read here", kind.Kind)
}

// group labels its prefixes (pkg/policy/k8s/cilium_cidr_group.go, applyCIDRGroup).
func (p *policies) group(group *cilium_v2alpha1.CiliumCIDRGroup) {
	own := labels.Map2Labels(k8sUtils.RemoveCiliumLabels(group.Labels), labels.LabelSourceCIDRGroup)
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

// selectors of names that the rules have.
func selectors(rules api.Rules) []api.FQDNSelector {
	var all []api.FQDNSelector
	for _, rule := range rules {
		for _, egress := range rule.Egress {
			all = append(all, egress.ToFQDNs...)
		}
	}
	return all
}
