package wire

import "encoding/json"

// Admission is one question about policies for objects: who is in force, and what somebody asks of the API server.
type Admission struct {
	ID       int               `json:"id"`
	Policies []json.RawMessage `json:"policies"`
	// Requests are made one after the other, each in a cluster without the others.
	Requests []AdmissionRequest `json:"requests"`
	// Namespaces are the labels of each.
	Namespaces map[string]map[string]string `json:"namespaces"`
}

// AdmissionRequest makes, changes or deletes an object.
type AdmissionRequest struct {
	// Operation is CREATE, UPDATE or DELETE.
	Operation string `json:"operation"`
	// Object as it shall be; none for a deletion.
	Object json.RawMessage `json:"object"`
	// Old is the object as it is; none for a creation.
	Old json.RawMessage `json:"old"`
}
