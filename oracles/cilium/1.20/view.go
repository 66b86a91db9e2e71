package main

import (
	"fmt"
	"reflect"

	"github.com/cilium/cilium/pkg/endpoint/regeneration"
	"github.com/cilium/cilium/pkg/identity"
	"github.com/cilium/cilium/pkg/policy"
	"github.com/cilium/cilium/pkg/policy/api"
	policytypes "github.com/cilium/cilium/pkg/policy/types"
	testidentity "github.com/cilium/cilium/pkg/testutils/identity"
	testpolicy "github.com/cilium/cilium/pkg/testutils/policy"
	"github.com/cilium/cilium/pkg/types"
	"github.com/cilium/cilium/pkg/u8proto"
	cilium "github.com/cilium/proxy/go/cilium/api"

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

// untranslated stands for the rules that Envoy would be given: they are read from the filters instead.
type untranslated struct{}

func (untranslated) GetEnvoyHTTPRules(*api.L7Rules, string) (*cilium.HttpNetworkPolicyRules, bool) {
	return nil, true
}

func newView(world wire.World, node string, refused map[int]string) *view {
	parsed := parse(world, refused)
	ids := newIdentities(world, node, parsed)
	repository := policy.NewPolicyRepository(quiet, ids.all, nil, untranslated{}, nil, testpolicy.NewPolicyMetricsNoop())
	repository.GetSelectorCache().SetLocalIdentityNotifier(testidentity.NewDummyIdentityNotifier())
	repository.UpdateIdentities(ids.all, nil)
	everywhere := types.NewNamedPortMultiMap()
	view := &view{repository, ids, map[string]types.NamedPortMap{}, everywhere, map[string]*endpoint{}}
	repository.SetNamedPortsGetter(view)
	repository.MustAddPolicyEntries(parsed.rules)
	for _, pod := range world.Pods {
		own := types.NamedPortMap{}
		for _, port := range pod.Ports {
			// One that is no name of a port is none (pkg/k8s/watchers, containerPorts).
			_ = own.AddPort(port.Name, port.Number, port.Protocol)
		}
		view.ports[pod.Key()] = own
		everywhere.Update(ids.pods[pod.Key()], nil, own)
	}
	return view
}

func (v *view) GetNamedPorts() types.NamedPortMultiMap { return v.everywhere }

// endpoint is a pod with the policy that the agent makes for it.
type endpoint struct {
	view     *view
	ports    types.NamedPortMap
	selected policy.SelectorPolicy
	policy   *policy.EndpointPolicy
	err      error
}

func (e *endpoint) GetID() uint64 { return 1 }

func (e *endpoint) GetIngressNamedPort(name string, proto u8proto.U8proto) uint16 {
	port, _ := e.ports.GetNamedPort(name, proto)
	return port
}

func (e *endpoint) PolicyDebug(string, ...any) {}

func (e *endpoint) IsHost() bool { return false }

func (e *endpoint) PreviousMapStateSizes() policy.MapStateSizes { return policy.MapStateSizes{} }

func (e *endpoint) RegenerateIfAlive(*regeneration.ExternalRegenerationMetadata) <-chan bool {
	done := make(chan bool)
	close(done)
	return done
}

func (v *view) endpoint(pod string) *endpoint {
	if known := v.endpoints[pod]; known != nil {
		return known
	}
	made := &endpoint{view: v, ports: v.ports[pod]}
	v.endpoints[pod] = made
	id := v.ids.pods[pod]
	subject := identity.NewIdentityFromLabelArray(id, v.ids.all[id])
	made.selected, _, made.err = v.repository.ComputeSelectorPolicy(subject)
	if made.err == nil {
		redirects := map[string]uint16{policy.FallbackRedirectID: 10_000}
		made.policy = made.selected.DistillPolicy(quiet, made, redirects)
	}
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
	key := policy.EgressKey()
	if cell.Ingress {
		key = policy.IngressKey()
	}
	key = key.WithIdentity(peer).WithProto(proto).WithPortPrefix(cell.Port, 16)
	entry, _, found := subject.policy.Lookup(key)
	switch {
	case !found || entry.IsDeny():
		return "deny"
	case !entry.IsRedirectEntry():
		return "allow"
	}
	return subject.proxied(cell, peer)
}

// proxied is what the proxy makes of the connection. What is no HTTP ends at a proxy for HTTP; the DNS proxy's word is
// asked for each name, which no cell does; other proxies are not played here.
func (e *endpoint) proxied(cell wire.Cell, peer identity.NumericIdentity) string {
	rules := e.rules(cell, peer)
	parser := policy.ParserTypeNone
	for _, tier := range rules {
		for _, rule := range tier {
			if found := rule.GetL7Parser(); found != policy.ParserTypeNone && parser == policy.ParserTypeNone {
				parser = found
			}
		}
	}
	switch parser {
	case policy.ParserTypeDNS:
		return "allow"
	case policy.ParserTypeHTTP:
		if cell.Request == nil {
			return "deny"
		}
		return takesInTiers(rules, cell.Request)
	}
	return "redirect: " + parser.String()
}

// filters of one direction. The type that has them is not exported; its field is.
func (e *endpoint) filters(ingress bool) policy.L4PolicyMaps {
	field := reflect.ValueOf(e.selected).Elem().FieldByName("L4Policy")
	both := field.Addr().Interface().(*policy.L4Policy)
	if ingress {
		return both.Ingress.PortRules
	}
	return both.Egress.PortRules
}

// rules are those of the filters that are for the port and the peer, by tier.
func (e *endpoint) rules(cell wire.Cell, peer identity.NumericIdentity) [][]*policy.PerSelectorPolicy {
	filters := e.filters(cell.Ingress)
	var tiers [][]*policy.PerSelectorPolicy
	for index := range filters {
		var tier []*policy.PerSelectorPolicy
		filters[index].ForEach(func(filter *policy.L4Filter) bool {
			for selector, rules := range filter.PerSelectorPolicies {
				if e.onPort(filter, cell, peer) && (selector.IsWildcard() || selector.Selects(peer)) {
					tier = append(tier, rules)
				}
			}
			return true
		})
		tiers = append(tiers, tier)
	}
	return tiers
}

// takesInTiers says whether Envoy finds a rule for the request (pkg/envoy/model.go, GetDirectionNetworkPolicy). In
// which order Envoy goes through tiers is not in this module: where that makes a difference, there is no answer.
func takesInTiers(tiers [][]*policy.PerSelectorPolicy, request *wire.Request) string {
	first, all := "", "deny"
	for _, tier := range tiers {
		verdict := takesOne(tier, request)
		if first == "" && len(tier) > 0 {
			first = verdict
		}
		if verdict == "allow" {
			all = verdict
		}
	}
	if first != all {
		return fmt.Sprintf("unasked: the first tier says %s, a later one %s", first, all)
	}
	return all
}

func takesOne(rules []*policy.PerSelectorPolicy, request *wire.Request) string {
	allowed := false
	for _, rule := range rules {
		if rule.GetVerdict() == policytypes.Deny {
			return "deny"
		}
		allowed = allowed || takes(rule, request)
	}
	if allowed {
		return "allow"
	}
	return "deny"
}

func (e *endpoint) onPort(filter *policy.L4Filter, cell wire.Cell, peer identity.NumericIdentity) bool {
	if filter.U8Proto != u8proto.TCP && filter.U8Proto != u8proto.ANY && cell.Protocol == "TCP" {
		return false
	}
	if filter.Port == 0 && filter.PortName != "" {
		return e.named(filter, peer) == cell.Port
	}
	return filter.Port == 0 && filter.EndPort == 0 || filter.Port == cell.Port ||
		filter.Port <= cell.Port && cell.Port <= filter.EndPort
}

func (e *endpoint) named(filter *policy.L4Filter, peer identity.NumericIdentity) uint16 {
	if filter.Ingress {
		return e.GetIngressNamedPort(filter.PortName, filter.U8Proto)
	}
	one := func(yield func(identity.NumericIdentity) bool) { yield(peer) }
	for _, port := range e.selected.GetEgressNamedPorts(filter.PortName, filter.U8Proto, one) {
		return port
	}
	return 0
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
