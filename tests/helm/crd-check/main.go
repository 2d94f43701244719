// Crd-check reads manifests of the Prometheus Operator's kinds from standard input and fails on a field that the
// operator's own types do not have, or a value that does not fit.
package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"k8s.io/apimachinery/pkg/util/yaml"
	strict "sigs.k8s.io/yaml"
)

// The kinds that the chart makes, and what a manifest of each is read into.
var kinds = map[string]func() any{
	"PodMonitor":     func() any { return new(monitoring.PodMonitor) },
	"PrometheusRule": func() any { return new(monitoring.PrometheusRule) },
}

func main() {
	documents := yaml.NewYAMLReader(bufio.NewReader(os.Stdin))
	for {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return
		}
		if err == nil {
			err = check(document)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}

func check(document []byte) error {
	var head struct{ APIVersion, Kind string }
	if err := strict.Unmarshal(document, &head); err != nil {
		return err
	}
	kind, known := kinds[head.Kind]
	if !known || head.APIVersion != monitoring.SchemeGroupVersion.String() {
		return fmt.Errorf("%s %s: not a kind that is known here", head.APIVersion, head.Kind)
	}
	if err := strict.UnmarshalStrict(document, kind()); err != nil {
		return fmt.Errorf("%s: %w", head.Kind, err)
	}
	return nil
}
