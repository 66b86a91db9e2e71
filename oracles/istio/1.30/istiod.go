package main

import (
	"encoding/json"
	"fmt"
	"strings"

	listener "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"

	"istio.io/istio/pilot/pkg/config/kube/crd"
	"istio.io/istio/pilot/pkg/model"
	"istio.io/istio/pilot/test/xds"
	"istio.io/istio/pkg/test"
	"istio.io/istio/pkg/test/util/retry"
	"istio.io/istio/pkg/workloadapi"
	"istio.io/istio/pkg/workloadapi/security"

	"airtight.dev/oracles/wire"
)

// istiod with a world in it.
type istiod struct {
	server    *xds.FakeDiscoveryServer
	workloads map[string]wire.Workload
	// gateways by `NAMESPACE/NAME`, with the address of each one's pod.
	gateways map[string]string
	// listed policies of each pod, as ztunnel is told.
	listed   map[string][]string
	policies map[string]*security.Authorization
}

// accepted are the documents that istiod's webhook takes; of the others, it is said why not.
func accepted(documents []json.RawMessage, refused map[int]string) []string {
	var taken []string
	for index, document := range documents {
		if _, _, err := crd.ParseInputs(string(document)); err != nil {
			refused[index] = err.Error()
			continue
		}
		taken = append(taken, string(document))
	}
	return taken
}

// start runs istiod over the documents, the pods, and the Services and pods of waypoints, which its own controller
// would deploy.
func start(t test.Failer, mesh wire.Mesh, written []string) *istiod {
	control := &istiod{
		workloads: map[string]wire.Workload{}, gateways: map[string]string{}, listed: map[string][]string{},
		policies: map[string]*security.Authorization{},
	}
	var kubernetes, configs []string
	for _, workload := range mesh.Workloads {
		control.workloads[workload.Key()] = workload
		kubernetes = append(kubernetes, pod(workload))
	}
	for _, document := range written {
		var kind wire.Kind
		if err := json.Unmarshal([]byte(document), &kind); err != nil {
			t.Fatal(err)
		}
		switch kind.Kind {
		case "Pod":
			continue
		case "Gateway":
			number := len(control.gateways) + 1
			address := fmt.Sprintf("10.251.0.%d", number)
			control.gateways[kind.Metadata.Namespace+"/"+kind.Metadata.Name] = address
			document = programmed(t, document, kind)
			kubernetes = append(kubernetes, waypoint(kind, fmt.Sprintf("10.250.0.%d", number), address)...)
		}
		kubernetes = append(kubernetes, document)
		if kind.Kind != "Namespace" && kind.Kind != "Service" {
			configs = append(configs, document)
		}
	}
	control.server = xds.NewFakeDiscoveryServer(t, xds.FakeOptions{
		ConfigString:           strings.Join(configs, "\n---\n"),
		KubernetesObjectString: strings.Join(kubernetes, "\n---\n"),
	})
	control.read(t)
	return control
}

func pod(workload wire.Workload) string {
	annotations := map[string]string{}
	if workload.Enrolled {
		annotations["ambient.istio.io/redirection"] = "enabled"
	}
	return written(map[string]any{
		"apiVersion": "v1", "kind": "Pod",
		"metadata": map[string]any{
			"namespace": workload.Namespace, "name": workload.Name, "labels": workload.Labels,
			"annotations": annotations,
		},
		"spec": map[string]any{"serviceAccountName": workload.ServiceAccount},
		"status": map[string]any{
			"phase": "Running", "podIP": workload.Address, "podIPs": []any{map[string]any{"ip": workload.Address}},
			"conditions": []any{map[string]any{"type": "Ready", "status": "True"}},
		},
	})
}

// programmed is a Gateway with the address that istiod writes into its status.
func programmed(t test.Failer, document string, kind wire.Kind) string {
	var object map[string]any
	if err := json.Unmarshal([]byte(document), &object); err != nil {
		t.Fatal(err)
	}
	hostname := fmt.Sprintf("%s.%s.svc.cluster.local", kind.Metadata.Name, kind.Metadata.Namespace)
	object["status"] = map[string]any{"addresses": []any{map[string]any{"type": "Hostname", "value": hostname}}}
	return written(object)
}

// waypoint is what istiod's controller deploys for a Gateway.
func waypoint(kind wire.Kind, service, address string) []string {
	labels := map[string]string{
		"gateway.networking.k8s.io/gateway-name": kind.Metadata.Name,
		"gateway.istio.io/managed":               "istio.io-mesh-controller",
	}
	metadata := map[string]any{"namespace": kind.Metadata.Namespace, "name": kind.Metadata.Name, "labels": labels}
	return []string{
		written(map[string]any{
			"apiVersion": "v1", "kind": "Service", "metadata": metadata,
			"spec": map[string]any{
				"clusterIP": service, "clusterIPs": []string{service}, "selector": map[string]string{
					"gateway.networking.k8s.io/gateway-name": kind.Metadata.Name,
				},
				"ports": []any{map[string]any{"name": "mesh", "port": 15008, "appProtocol": "hbone"}},
			},
		}),
		pod(wire.Workload{
			Namespace: kind.Metadata.Namespace, Name: kind.Metadata.Name, ServiceAccount: kind.Metadata.Name,
			Labels: labels, Address: address,
		}),
	}
}

func written(object any) string {
	text, err := json.Marshal(object)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// read asks the ambient index what ztunnel is told, once it knows every pod.
func (i *istiod) read(t test.Failer) {
	index := i.server.AmbientIndex
	retry.UntilOrFail(t, func() bool {
		i.listed = map[string][]string{}
		for _, info := range index.All() {
			if one := info.GetWorkload(); one != nil {
				i.listed[one.Namespace+"/"+one.Name] = policies(one)
			}
		}
		return len(i.listed) >= len(i.workloads)+len(i.gateways)
	})
	for _, policy := range index.Policies(nil) {
		i.policies[policy.Authorization.Namespace+"/"+policy.Authorization.Name] = policy.Authorization
	}
}

func policies(workload *workloadapi.Workload) []string { return workload.AuthorizationPolicies }

// listeners of a waypoint.
func (i *istiod) listeners(gateway string) []*listener.Listener {
	namespace, name, _ := strings.Cut(gateway, "/")
	proxy := i.server.SetupProxy(&model.Proxy{
		Type: model.Waypoint, ConfigNamespace: namespace, IPAddresses: []string{i.gateways[gateway]},
		Labels: map[string]string{
			"gateway.networking.k8s.io/gateway-name": name, "gateway.istio.io/managed": "istio.io-mesh-controller",
		},
		Metadata: &model.NodeMetadata{IstioVersion: "1.30.3", Namespace: namespace},
	})
	return i.server.Listeners(proxy)
}
