// The policy engine of Cilium 1.20 as an oracle: the policy repository, its selector cache and the map state that
// the agent would write into the datapath of each endpoint.
package main

import (
	"fmt"
	"log/slog"

	"github.com/cilium/cilium/pkg/labelsfilter"
	"github.com/cilium/cilium/pkg/option"
	"github.com/cilium/cilium/pkg/policy"
	"github.com/cilium/cilium/pkg/policy/api"

	"airtight.dev/oracles/wire"
)

// quiet is the log of everything: what an agent would say of a policy stands in the answers.
var quiet = slog.New(slog.DiscardHandler)

func main() {
	configure()
	wire.Serve(answer)
}

// configure sets what the chart's defaults come to.
func configure() {
	option.Config.EnableIPv4 = true
	option.Config.EnableIPv6 = false
	option.Config.EnableL7Proxy = true
	option.Config.EnableICMPRules = true
	option.Config.EnableK8sNetworkPolicy = true
	option.Config.EnableCiliumNetworkPolicy = true
	option.Config.EnableCiliumClusterwideNetworkPolicy = true
	// `auto` comes to `always` on Kubernetes (daemon/cmd/daemon_main.go).
	option.Config.UnsafeDaemonConfigOption.AllowLocalhost = option.AllowLocalhostAlways
	policy.SetPolicyEnabled(option.DefaultEnforcement)
	if err := labelsfilter.ParseLabelPrefixCfg(quiet, nil, nil, ""); err != nil {
		panic(err)
	}
}

// answer asks one engine for each node that a cell's subject is on: hosts look different from each.
func answer(world wire.World) (answer wire.Answer) {
	option.Config.ClusterName = world.ClusterName
	api.InitEntities(world.ClusterName)
	answer = wire.Answer{ID: world.ID, Refused: map[int]string{}, Verdicts: make([]string, len(world.Cells))}
	views := map[string]*view{}
	nodes := map[string]string{}
	for _, pod := range world.Pods {
		nodes[pod.Key()] = pod.Node
	}
	for index, cell := range world.Cells {
		node := nodes[cell.Subject]
		if views[node] == nil {
			views[node] = newView(world, node, answer.Refused)
		}
		answer.Verdicts[index] = ask(views[node], cell)
	}
	return answer
}

func ask(view *view, cell wire.Cell) (verdict string) {
	defer func() {
		if fault := recover(); fault != nil {
			verdict = fmt.Sprintf("panic: %v", fault)
		}
	}()
	return view.verdict(cell)
}
