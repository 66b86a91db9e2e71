package main

import (
	"context"
	"strings"

	"github.com/go-logr/logr"
	kyvernov1 "github.com/kyverno/kyverno/api/kyverno/v1"
	"github.com/kyverno/kyverno/pkg/background/generate"
	"github.com/kyverno/kyverno/pkg/clients/dclient"
	"github.com/kyverno/kyverno/pkg/engine/adapters"
	engineapi "github.com/kyverno/kyverno/pkg/engine/api"
	"github.com/kyverno/kyverno/pkg/policycache"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	dynamicfake "k8s.io/client-go/dynamic/fake"
	kubefake "k8s.io/client-go/kubernetes/fake"
)

// generate makes what the rules make of an object, each in a cluster with this object and the Namespaces
// (pkg/webhooks/resource/generation/handler.go, pkg/background/generate/controller.go).
func (k *kyverno) generate(seen request) ([]map[string]any, error) {
	generated := []map[string]any{}
	for _, policy := range k.asked(policycache.Generate, seen, (*kyvernov1.Spec).HasGenerate) {
		asked, err := k.context(seen)
		if err != nil {
			return nil, err
		}
		client := k.cluster(asked.NewResource())
		engine := newEngine(k.configuration, adapters.Client(client), k.exceptions)
		for _, rule := range engine.ApplyBackgroundChecks(context.Background(), asked.WithPolicy(policy)).PolicyResponse.Rules {
			if rule.Status() != engineapi.RuleStatusPass {
				continue
			}
			made, err := k.made(seen, policy, rule.Name(), generate.NewGenerateControllerWithOnlyClient(client, engine))
			if err != nil {
				return nil, err
			}
			generated = append(generated, made...)
		}
	}
	return generated, nil
}

// made is what one rule makes; a rule that fails makes nothing.
func (k *kyverno) made(seen request, policy kyvernov1.PolicyInterface, rule string, controller *generate.GenerateController) ([]map[string]any, error) {
	asked, err := k.context(seen)
	if err != nil {
		return nil, err
	}
	specs, err := controller.ApplyGeneratePolicy(logr.Discard(), asked.WithPolicy(policy), []string{rule})
	if err != nil {
		return nil, nil
	}
	found, err := controller.GetUnstrResources(specs[rule])
	if err != nil {
		return nil, err
	}
	objects := make([]map[string]any, len(found))
	for index, one := range found {
		objects[index] = one.Object
	}
	return objects, nil
}

// cluster has one object and the Namespaces.
func (k *kyverno) cluster(object unstructured.Unstructured) dclient.Interface {
	namespaces := []runtime.Object{}
	for name := range k.namespaces {
		namespaces = append(namespaces, k.namespace(name))
	}
	kind := object.GroupVersionKind()
	known := []schema.GroupVersionResource{
		kind.GroupVersion().WithResource(strings.ToLower(kind.Kind) + "s"),
		{Group: "networking.k8s.io", Version: "v1", Resource: "networkpolicies"},
		{Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "rolebindings"},
	}
	dynamic := dynamicfake.NewSimpleDynamicClientWithCustomListKinds(
		runtime.NewScheme(), map[schema.GroupVersionResource]string{}, object.DeepCopy())
	return dclient.NewFakeClientWithDisco(dynamic, kubefake.NewSimpleClientset(namespaces...), dclient.NewFakeDiscoveryClient(known))
}
