// The engine of Kyverno 1.14 as an oracle: what becomes of what somebody asks of the API server, by the engines that its
// webhooks call, in their order.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/go-logr/logr"
	kyvernov1 "github.com/kyverno/kyverno/api/kyverno/v1"
	"github.com/kyverno/kyverno/pkg/engine"
	"github.com/kyverno/kyverno/pkg/engine/jmespath"
	"github.com/kyverno/kyverno/pkg/policycache"
	engineutils "github.com/kyverno/kyverno/pkg/utils/engine"
	admissionv1 "k8s.io/api/admission/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"

	"airtight.dev/oracles/wire"
)

func main() {
	klog.SetOutput(io.Discard)
	ctrl.SetLogger(logr.Discard())
	wire.Serve(answer)
}

func answer(question wire.Admission) wire.Answer {
	made := install(question)
	answer := wire.Answer{ID: question.ID, Refused: made.refused, Verdicts: make([]string, len(question.Requests))}
	for index, request := range question.Requests {
		answer.Verdicts[index] = made.ask(request)
	}
	return answer
}

// request as the API server sends it to a webhook.
type request struct {
	admissionv1.AdmissionRequest
	kind schema.GroupVersionKind
}

// Outcome is an object as it comes to be, and what is made because of it.
type outcome struct {
	Object    json.RawMessage  `json:"object"`
	Generated []map[string]any `json:"generated"`
}

// ask says `refused`, or what comes of a request.
func (k *kyverno) ask(asked wire.AdmissionRequest) (verdict string) {
	defer func() {
		if fault := recover(); fault != nil {
			verdict = fmt.Sprintf("unasked: panic: %v", fault)
		}
	}()
	refused, outcome, err := k.review(asked)
	if err != nil {
		return "unasked: " + err.Error()
	}
	if refused {
		return "refused"
	}
	text, err := json.Marshal(outcome)
	if err != nil {
		return "unasked: " + err.Error()
	}
	return string(text)
}

func (k *kyverno) review(asked wire.AdmissionRequest) (refused bool, made outcome, err error) {
	made.Generated = []map[string]any{}
	seen, err := read(asked)
	if err != nil {
		return false, made, err
	}
	if seen.Operation != admissionv1.Delete {
		if refused, err = k.mutate(&seen); refused || err != nil {
			return refused, made, err
		}
		made.Object = seen.Object.Raw
	}
	if refused, err = k.validate(seen); refused || err != nil {
		return refused, made, err
	}
	if seen.Operation != admissionv1.Delete {
		made.Generated, err = k.generate(seen)
	}
	return false, made, err
}

// read fills in what the API server says beside the objects.
func read(asked wire.AdmissionRequest) (request, error) {
	shown := asked.Object
	if asked.Operation == "DELETE" {
		shown = asked.Old
	}
	var object unstructured.Unstructured
	if err := json.Unmarshal(shown, &object.Object); err != nil {
		return request{}, err
	}
	kind := object.GroupVersionKind()
	plural, _ := meta.UnsafeGuessKindToResource(kind)
	namespace := object.GetNamespace()
	if kind.Kind == "Namespace" {
		namespace = object.GetName()
	}
	seen := request{kind: kind, AdmissionRequest: admissionv1.AdmissionRequest{
		UID: "0", Kind: metav1.GroupVersionKind(kind), Resource: metav1.GroupVersionResource(plural),
		RequestKind: (*metav1.GroupVersionKind)(&kind), RequestResource: (*metav1.GroupVersionResource)(&plural),
		Name: object.GetName(), Namespace: namespace, Operation: admissionv1.Operation(asked.Operation),
		UserInfo: admin.AdmissionUserInfo, Object: raw(asked.Object), OldObject: raw(asked.Old),
	}}
	return seen, nil
}

func raw(text json.RawMessage) runtime.RawExtension {
	if string(text) == "null" {
		return runtime.RawExtension{}
	}
	return runtime.RawExtension{Raw: text}
}

// mutate lets each policy have what the one before it made (pkg/webhooks/resource/mutation/mutation.go).
func (k *kyverno) mutate(seen *request) (bool, error) {
	asked, err := k.context(*seen)
	if err != nil {
		return false, err
	}
	for _, policy := range k.asked(policycache.Mutate, *seen, (*kyvernov1.Spec).HasMutateStandard) {
		if !policy.GetSpec().HasMutateStandard() {
			continue
		}
		current := asked.WithPolicy(policy)
		response := k.engine.Mutate(context.Background(), current)
		if !response.IsSuccessful() {
			if engineutils.BlockRequest(response, policy.GetSpec().GetFailurePolicy(context.Background())) {
				return true, nil
			}
			continue
		}
		asked = current.WithNewResource(response.PatchedResource)
	}
	text, err := json.Marshal(asked.NewResource().Object)
	seen.Object.Raw = text
	return false, err
}

// validate asks every policy (pkg/webhooks/resource/validation/validation.go).
func (k *kyverno) validate(seen request) (bool, error) {
	for _, policy := range k.asked(policycache.ValidateEnforce, seen, (*kyvernov1.Spec).HasValidate) {
		asked, err := k.context(seen)
		if err != nil {
			return false, err
		}
		response := k.engine.Validate(context.Background(), asked.WithPolicy(policy))
		if engineutils.BlockRequest(response, policy.GetSpec().GetFailurePolicy(context.Background())) {
			return true, nil
		}
	}
	return k.refusedByExpressions(seen)
}

func (k *kyverno) context(seen request) (*engine.PolicyContext, error) {
	asked, err := engine.NewPolicyContextFromAdmissionRequest(jmespath.New(k.configuration), seen.AdmissionRequest, admin, seen.kind, k.configuration)
	if err != nil {
		return nil, err
	}
	if seen.kind.Kind == "Namespace" {
		return asked, nil
	}
	return asked.WithNamespaceLabels(k.namespaces[seen.Namespace]), nil
}
