package importer

import (
	"reflect"
	"strings"
	"testing"

	"example.com/shop/internal/catalog"
)

func TestRead(t *testing.T) {
	const list = "sku,name,price,quantity,tags\n" +
		"# spring delivery\n" +
		"TEA-1, Darjeeling, 900, 12, loose black\n" +
		"CUP-1,\"Cup, white\",1200,4\n"
	got, err := Read(strings.NewReader(list))
	if err != nil {
		t.Fatal(err)
	}
	want := []Row{
		{Product: catalog.Product{SKU: "TEA-1", Name: "Darjeeling", Price: 900, Tags: []string{"loose", "black"}}, Quantity: 12},
		{Product: catalog.Product{SKU: "CUP-1", Name: "Cup, white", Price: 1200}, Quantity: 4},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("Read = %+v", got)
	}
}

func TestReadRejects(t *testing.T) {
	for name, list := range map[string]string{
		"empty file":   "",
		"bad price":    "sku,name,price,quantity\nTEA-1,Darjeeling,nine,12\n",
		"bad quantity": "sku,name,price,quantity\nTEA-1,Darjeeling,900,many\n",
		"empty sku":    "sku,name,price,quantity\n ,Darjeeling,900,1\n",
	} {
		if _, err := Read(strings.NewReader(list)); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
