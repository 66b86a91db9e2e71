package main

import (
	"net/netip"
	"slices"
	"strings"

	"istio.io/istio/pkg/workloadapi/security"

	"airtight.dev/oracles/wire"
)

// connection is what ztunnel knows of one.
type connection struct {
	namespace, account  string
	principal           string
	source, destination netip.Addr
	port                uint32
}

// inbound is what the destination's ztunnel makes of a connection (ztunnel src/state.rs, assert_rbac).
func (i *istiod) inbound(client, server wire.Workload, port uint16) string {
	if !server.Enrolled {
		return "allow"
	}
	made := connection{
		source: netip.MustParseAddr(client.Address), destination: netip.MustParseAddr(server.Address), port: uint32(port),
	}
	if client.Enrolled {
		made.namespace, made.account = client.Namespace, client.ServiceAccount
		made.principal = "cluster.local/ns/" + client.Namespace + "/sa/" + client.ServiceAccount
	}
	allowing, allowed := false, false
	for key, policy := range i.policies {
		applies := policy.Scope == security.Scope_GLOBAL ||
			policy.Scope == security.Scope_NAMESPACE && policy.Namespace == server.Namespace ||
			slices.Contains(i.listed[server.Key()], key)
		if !applies || policy.DryRun {
			continue
		}
		matches := slices.ContainsFunc(policy.Groups, made.group)
		switch policy.Action {
		case security.Action_DENY:
			if matches {
				return "deny"
			}
		case security.Action_ALLOW:
			allowing, allowed = true, allowed || matches
		}
	}
	if allowing && !allowed {
		return "deny"
	}
	return "allow"
}

// group is a rule: every clause of it holds (ztunnel src/rbac.rs, Authorization::matches).
func (c connection) group(group *security.Group) bool {
	return !slices.ContainsFunc(group.Rules, func(clause *security.Rules) bool {
		return len(clause.Matches) > 0 && !slices.ContainsFunc(clause.Matches, c.match)
	})
}

func (c connection) match(m *security.Match) bool {
	empty := len(m.Namespaces) + len(m.NotNamespaces) + len(m.ServiceAccounts) + len(m.NotServiceAccounts) +
		len(m.Principals) + len(m.NotPrincipals) + len(m.SourceIps) + len(m.NotSourceIps) +
		len(m.DestinationIps) + len(m.NotDestinationIps) + len(m.DestinationPorts) + len(m.NotDestinationPorts)
	return empty > 0 &&
		holds(m.DestinationIps, m.NotDestinationIps, within(c.destination)) &&
		holds(m.SourceIps, m.NotSourceIps, within(c.source)) &&
		holds(m.DestinationPorts, m.NotDestinationPorts, func(port uint32) bool { return port == c.port }) &&
		holds(m.ServiceAccounts, m.NotServiceAccounts, c.isAccount) &&
		holds(m.Principals, m.NotPrincipals, c.isPrincipal) &&
		holds(m.Namespaces, m.NotNamespaces, func(match *security.StringMatch) bool { return takes(match, c.namespace) })
}

func holds[T any](positive, negative []T, predicate func(T) bool) bool {
	return (len(positive) == 0 || slices.ContainsFunc(positive, predicate)) && !slices.ContainsFunc(negative, predicate)
}

func within(address netip.Addr) func(*security.Address) bool {
	return func(known *security.Address) bool {
		base, ok := netip.AddrFromSlice(known.Address)
		return ok && netip.PrefixFrom(base, int(known.Length)).Masked().Contains(address)
	}
}

func (c connection) isAccount(match *security.ServiceAccountMatch) bool {
	return c.principal != "" && match.Namespace == c.namespace && match.ServiceAccount == c.account
}

// isPrincipal fails without an identity, whatever is asked.
func (c connection) isPrincipal(match *security.StringMatch) bool {
	return c.principal != "" && takes(match, c.principal)
}

func takes(match *security.StringMatch, text string) bool {
	switch kind := match.MatchType.(type) {
	case *security.StringMatch_Exact:
		return text == kind.Exact
	case *security.StringMatch_Prefix:
		return strings.HasPrefix(text, kind.Prefix)
	case *security.StringMatch_Suffix:
		return strings.HasSuffix(text, kind.Suffix)
	case *security.StringMatch_Presence:
		return text != ""
	}
	return false
}
