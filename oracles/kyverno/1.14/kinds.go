package main

import (
	"github.com/kyverno/kyverno/ext/wildcard"
	"github.com/kyverno/kyverno/pkg/clients/dclient"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// served are the kinds that the API server of these worlds has.
type served []dclient.TopLevelApiDescription

var kinds = served{
	serve("", "v1", "Pod", "pods"),
	serve("", "v1", "Service", "services"),
	serve("", "v1", "ConfigMap", "configmaps"),
	serve("", "v1", "Namespace", "namespaces"),
	serve("apps", "v1", "Deployment", "deployments"),
	serve("apps", "v1", "StatefulSet", "statefulsets"),
	serve("apps", "v1", "DaemonSet", "daemonsets"),
	serve("apps", "v1", "ReplicaSet", "replicasets"),
	serve("batch", "v1", "Job", "jobs"),
	serve("batch", "v1", "CronJob", "cronjobs"),
}

func serve(group, version, kind, resource string) dclient.TopLevelApiDescription {
	return dclient.TopLevelApiDescription{
		GroupVersion: schema.GroupVersion{Group: group, Version: version}, Kind: kind, Resource: resource,
	}
}

// FindResources is what discovery says of a selector of kinds (pkg/clients/dclient/discovery.go).
func (s served) FindResources(group, version, kind, subresource string) (map[dclient.TopLevelApiDescription]metav1.APIResource, error) {
	found := map[dclient.TopLevelApiDescription]metav1.APIResource{}
	for _, one := range s {
		named := wildcard.Match(group, one.Group) && wildcard.Match(version, one.Version) && wildcard.Match(kind, one.Kind)
		if named && (subresource == "" || subresource == "*") {
			found[one] = metav1.APIResource{Name: one.Resource, Kind: one.Kind}
		}
	}
	return found, nil
}
