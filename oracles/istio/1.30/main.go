// istiod of Istio 1.30 as an oracle: its conversion of policies for ztunnel, its validation, and the listeners that it
// makes for waypoints, in a real Envoy.
package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"

	"istio.io/istio/pkg/log"
	"istio.io/istio/pkg/test"

	"airtight.dev/oracles/wire"
)

func main() {
	options := log.DefaultOptions()
	options.SetDefaultOutputLevel(log.OverrideScopeName, log.NoneLevel)
	if err := log.Configure(options); err != nil {
		fail(err)
	}
	if os.Getenv("PILOT_ENABLE_AMBIENT") == "" {
		fail(inAmbient())
	}
	program, err := envoyProgram()
	if err != nil {
		fail(err)
	}
	proxy, err := startEnvoy(program)
	if err != nil {
		fail(err)
	}
	defer proxy.stop()
	wire.Serve(func(mesh wire.Mesh) wire.Answer { return answer(mesh, proxy) })
}

// inAmbient begins anew with what the chart's profile `ambient` sets; istiod reads it before anything else.
func inAmbient() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	return syscall.Exec(self, os.Args, append(os.Environ(), "PILOT_ENABLE_AMBIENT=true"))
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(2)
}

// envoyProgram is the one that AIRTIGHT_ENVOY names, or the one on the PATH.
func envoyProgram() (string, error) {
	if named := os.Getenv("AIRTIGHT_ENVOY"); named != "" {
		return named, nil
	}
	found, err := exec.LookPath("envoy")
	if err != nil {
		return "", errors.New("there is no Envoy: AIRTIGHT_ENVOY names none, and none is on the PATH")
	}
	return found, nil
}

// answer asks one istiod about the world, and the proxy about each flow through a waypoint.
func answer(mesh wire.Mesh, proxy *envoy) (answer wire.Answer) {
	answer = wire.Answer{ID: mesh.ID, Refused: map[int]string{}, Verdicts: make([]string, len(mesh.Flows))}
	for index := range answer.Verdicts {
		answer.Verdicts[index] = "unasked"
	}
	written := accepted(mesh.Documents, answer.Refused)
	err := test.Wrap(func(t test.Failer) {
		control := start(t, mesh, written)
		for gateway := range control.gateways {
			if err := proxy.serve(gateway, control.listeners(gateway)); err != nil {
				t.Fatal(err)
			}
		}
		for index, flow := range mesh.Flows {
			answer.Verdicts[index] = control.ask(flow, proxy)
		}
		proxy.forget()
	})
	if err != nil {
		fail(fmt.Errorf("world %d: %w", mesh.ID, err))
	}
	return answer
}

func (i *istiod) ask(flow wire.Flow, proxy *envoy) string {
	client, known := i.workloads[flow.Client]
	if !known {
		return "unasked: no workload " + flow.Client
	}
	if flow.Pod != "" {
		return i.inbound(client, i.workloads[flow.Pod], flow.Port)
	}
	return proxy.dial(flow, client)
}
