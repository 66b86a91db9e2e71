package main

import (
	"github.com/sirupsen/logrus"

	"github.com/cilium/cilium/pkg/identity"
	"github.com/cilium/cilium/pkg/policy"
	"github.com/cilium/cilium/pkg/policy/api"
	"github.com/cilium/cilium/pkg/policy/trafficdirection"
	"github.com/cilium/cilium/pkg/spanstat"
	testidentity "github.com/cilium/cilium/pkg/testutils/identity"
	"github.com/cilium/cilium/pkg/types"
	"github.com/cilium/cilium/pkg/u8proto"

	"airtight.dev/oracles/wire"
)

// view is the engine of one node.
type view struct {
	repository *policy.Repository
	ids        *identities
	ports      map[string]types.NamedPortMap
	everywhere types.NamedPortMultiMap
	endpoints  map[string]*endpoint
}

func newView(world wire.World, node string, refused map[int]string) *view {
	parsed := parse(world, refused)
	ids := newIdentities(world, node, parsed)
	repository := policy.NewPolicyRepository(ids.all, nil, nil, nil, api.NewPolicyMetricsNoop())
	repository.GetSelectorCache().SetLocalIdentityNotifier(testidentity.NewDummyIdentityNotifier())
	repository.MustAddList(parsed.rules)
	everywhere := types.NewNamedPortMultiMap()
	ports := map[string]types.NamedPortMap{}
	for _, pod := range world.Pods {
		own := types.NamedPortMap{}
		for _, port := range pod.Ports {
			// One that is no name of a port is none (pkg/k8s/watchers, containerPorts).
			_ = own.AddPort(port.Name, port.Number, port.Protocol)
		}
		ports[pod.Key()] = own
		everywhere.Update(nil, own)
	}
	return &view{repository, ids, ports, everywhere, map[string]*endpoint{}}
}

// endpoint is a pod with the policy that the agent makes for it.
type endpoint struct {
	view   *view
	ports  types.NamedPortMap
	policy *policy.EndpointPolicy
	err    error
	// parsers by the port of the proxy that stands for each.
	parsers map[uint16]policy.L7ParserType
}

func (e *endpoint) GetID() uint64 { return 1 }

func (e *endpoint) GetNamedPort(ingress bool, name string, proto u8proto.U8proto) uint16 {
	var port uint16
	if ingress {
		port, _ = e.ports.GetNamedPort(name, proto)
	} else {
		port, _ = e.view.everywhere.GetNamedPort(name, proto)
	}
	return port
}

func (e *endpoint) PolicyDebug(logrus.Fields, string) {}

func (e *endpoint) IsHost() bool { return false }

func (e *endpoint) MapStateSize() int { return 0 }

type statistics struct{ wait, compute spanstat.SpanStat }

func (s *statistics) WaitingForPolicyRepository() *spanstat.SpanStat { return &s.wait }

func (s *statistics) PolicyCalculation() *spanstat.SpanStat { return &s.compute }

func (v *view) endpoint(pod string) *endpoint {
	if known := v.endpoints[pod]; known != nil {
		return known
	}
	made := &endpoint{view: v, ports: v.ports[pod], parsers: map[uint16]policy.L7ParserType{}}
	v.endpoints[pod] = made
	id := v.ids.pods[pod]
	subject := identity.NewIdentityFromLabelArray(id, v.ids.all[id])
	var selected policy.SelectorPolicy
	selected, _, made.err = v.repository.GetSelectorPolicy(subject, 0, &statistics{})
	if made.err != nil {
		return made
	}
	redirects := map[string]uint16{}
	for filter, rules := range selected.RedirectFilters() {
		port := filter.Port
		if port == 0 && filter.PortName != "" {
			port = made.GetNamedPort(filter.Ingress, filter.PortName, filter.U8Proto)
		}
		id := policy.ProxyID(1, filter.Ingress, string(filter.Protocol), port, rules.Listener)
		if _, known := redirects[id]; !known {
			redirects[id] = uint16(10_000 + len(redirects))
		}
		made.parsers[redirects[id]] = filter.L7Parser
	}
	made.policy = selected.DistillPolicy(made, redirects)
	return made
}

func (v *view) verdict(cell wire.Cell) string {
	subject := v.endpoint(cell.Subject)
	if subject.err != nil {
		return "error: " + subject.err.Error()
	}
	peer := v.ids.peers[cell.Peer]
	proto, err := u8proto.ParseProtocol(cell.Protocol)
	if err != nil {
		return "error: " + err.Error()
	}
	entry, found := subject.lookup(cell.Ingress, peer, proto, cell.Port)
	switch {
	case !found || entry.IsDeny():
		return "deny"
	case !entry.IsRedirectEntry():
		return "allow"
	}
	return subject.proxied(cell, peer, subject.parsers[entry.ProxyPort])
}

// lookup is that of the datapath (bpf/lib/policy.h, __policy_can_access): the entry of the peer's own and that of
// everybody, each by the longest prefix of protocol and port, and of these two the one that goes first.
func (e *endpoint) lookup(ingress bool, peer identity.NumericIdentity, proto u8proto.U8proto, port uint16) (policy.MapStateEntry, bool) {
	direction := trafficdirection.Egress
	if ingress {
		direction = trafficdirection.Ingress
	}
	var own, wide policy.MapStateEntry
	ownLength, wideLength := -1, -1
	for key, entry := range e.policy.Entries() {
		if key.TrafficDirection() != direction || !covers(key, proto, port) {
			continue
		}
		length := prefixLength(key)
		if key.Identity == peer && length > ownLength {
			own, ownLength = entry, length
		}
		if key.Identity == 0 && length > wideLength {
			wide, wideLength = entry, length
		}
	}
	switch {
	case ownLength < 0:
		return wide, wideLength >= 0
	case wideLength < 0 || own.IsDeny():
		return own, true
	case wide.IsDeny() || wide.ProxyPortPriority > own.ProxyPortPriority:
		return wide, true
	case wide.ProxyPortPriority == own.ProxyPortPriority && wideLength > ownLength:
		return wide, true
	}
	return own, true
}

func covers(key policy.Key, proto u8proto.U8proto, port uint16) bool {
	if key.Nexthdr == 0 {
		return true
	}
	mask := ^uint16(0) << (16 - key.PortPrefixLen())
	return key.Nexthdr == proto && port&mask == key.DestPort&mask
}

func prefixLength(key policy.Key) int {
	if key.Nexthdr == 0 {
		return 0
	}
	return 8 + int(key.PortPrefixLen())
}

// proxied is what the proxy makes of the connection. What is no HTTP ends at a proxy for HTTP; the DNS proxy's word is
// asked for each name, which no cell does; other proxies are not played here.
func (e *endpoint) proxied(cell wire.Cell, peer identity.NumericIdentity, parser policy.L7ParserType) string {
	switch parser {
	case policy.ParserTypeDNS:
		return "allow"
	case policy.ParserTypeHTTP:
		if cell.Request != nil && e.takes(cell, peer) {
			return "allow"
		}
		return "deny"
	}
	return "redirect: " + parser.String()
}

// takes says whether Envoy finds a rule for the request among those of every filter of the port, the wildcard among
// them (pkg/envoy/xds_server.go, getDirectionNetworkPolicy and getPortNetworkPolicyRule).
func (e *endpoint) takes(cell wire.Cell, peer identity.NumericIdentity) bool {
	filters := e.policy.L4Policy.Egress.PortRules
	if cell.Ingress {
		filters = e.policy.L4Policy.Ingress.PortRules
	}
	allowed, denied := false, false
	filters.ForEach(func(filter *policy.L4Filter) bool {
		if !e.onPort(filter, cell.Port) {
			return true
		}
		for selector, rules := range filter.PerSelectorPolicies {
			if !selector.IsWildcard() && !selector.Selects(e.policy.VersionHandle, peer) {
				continue
			}
			denied = denied || rules.GetDeny()
			allowed = allowed || takes(rules, cell.Request)
		}
		return true
	})
	return allowed && !denied
}

func (e *endpoint) onPort(filter *policy.L4Filter, port uint16) bool {
	if filter.U8Proto != u8proto.TCP && filter.U8Proto != u8proto.ANY {
		return false
	}
	own := filter.Port
	if own == 0 && filter.PortName != "" {
		own = e.GetNamedPort(filter.Ingress, filter.PortName, filter.U8Proto)
		return own != 0 && own == port
	}
	return own == 0 && filter.EndPort == 0 || own == port || own <= port && port <= filter.EndPort
}

func takes(rules *policy.PerSelectorPolicy, request *wire.Request) bool {
	if rules == nil || len(rules.HTTP) == 0 {
		return true
	}
	for _, rule := range rules.HTTP {
		written := wire.HTTPRule{Method: rule.Method, Path: rule.Path, Host: rule.Host, Headers: rule.Headers}
		for _, match := range rule.HeaderMatches {
			if match.Mismatch == "" {
				written.Matches = append(written.Matches, wire.HeaderMatch{Name: match.Name, Value: match.Value})
			}
		}
		if written.Takes(request) {
			return true
		}
	}
	return false
}
