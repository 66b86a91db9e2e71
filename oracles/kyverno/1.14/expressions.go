package main

import (
	"context"

	celengine "github.com/kyverno/kyverno/pkg/cel/engine"
	"github.com/kyverno/kyverno/pkg/cel/libs"
	"github.com/kyverno/kyverno/pkg/cel/matching"
	vpolcompiler "github.com/kyverno/kyverno/pkg/cel/policies/vpol/compiler"
	vpolengine "github.com/kyverno/kyverno/pkg/cel/policies/vpol/engine"
	engineapi "github.com/kyverno/kyverno/pkg/engine/api"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// refusedByExpressions asks every ValidatingPolicy (pkg/webhooks/resource/vpol/handler.go).
func (k *kyverno) refusedByExpressions(seen request) (bool, error) {
	if len(k.expressions) == 0 {
		return false, nil
	}
	provider, err := vpolengine.NewProvider(vpolcompiler.NewCompiler(), k.expressions, nil)
	if err != nil {
		return false, err
	}
	asked := celengine.RequestFromAdmission(libs.NewFakeContextProvider(), seen.AdmissionRequest)
	response, err := vpolengine.NewEngine(provider, k.namespace, matching.NewMatcher()).Handle(context.Background(), asked, nil)
	if err != nil {
		return false, err
	}
	for _, policy := range response.Policies {
		for _, rule := range policy.Rules {
			failed := rule.Status() == engineapi.RuleStatusFail || rule.Status() == engineapi.RuleStatusError
			if failed && policy.Actions.Has(admissionregistrationv1.Deny) {
				return true, nil
			}
		}
	}
	return false, nil
}

func (k *kyverno) namespace(name string) *corev1.Namespace {
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: k.namespaces[name]}}
}
