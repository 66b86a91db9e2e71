package wire

import "encoding/json"

// Mesh is one question about a service mesh: what exists, and the connections that are asked about.
type Mesh struct {
	ID        int               `json:"id"`
	Documents []json.RawMessage `json:"documents"`
	// Workloads are the pods, with what the cluster adds to what was written.
	Workloads []Workload `json:"workloads"`
	Flows     []Flow     `json:"flows"`
}

// Workload is a pod as it runs.
type Workload struct {
	Namespace      string            `json:"namespace"`
	Name           string            `json:"name"`
	ServiceAccount string            `json:"serviceAccount"`
	Labels         map[string]string `json:"labels"`
	Address        string            `json:"address"`
	// Enrolled says that it has been captured by ztunnel.
	Enrolled bool `json:"enrolled"`
}

// Key is how flows name a workload.
func (w Workload) Key() string { return w.Namespace + "/" + w.Name }

// Flow is one connection to a pod, or to a Service through its waypoint.
type Flow struct {
	// Client is a workload.
	Client string `json:"client"`
	// Pod or Service, one of them; of a Service, its Address and the Gateway of its waypoint.
	Pod     string `json:"pod,omitempty"`
	Service string `json:"service,omitempty"`
	Gateway string `json:"gateway,omitempty"`
	Address string `json:"address,omitempty"`
	Port    uint16 `json:"port"`
	// Request in clear text, or the server name of a handshake; neither, and bytes that are no HTTP are sent.
	Request    *Request `json:"request,omitempty"`
	ServerName string   `json:"serverName,omitempty"`
}

// Token is a JSON Web Token by what a verifier finds in it.
type Token struct {
	Issuer    string         `json:"issuer"`
	Subject   string         `json:"subject"`
	Audiences []string       `json:"audiences"`
	Claims    map[string]any `json:"claims"`
	// State is `valid`, `expired`, `not-yet-valid`, `forged` or `unsigned`.
	State string `json:"state"`
}
