// Package importer reads supplier price lists.
package importer

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"example.com/shop/internal/catalog"
)

// Row is one line of a price list: sku,name,price,quantity[,tags].
type Row struct {
	Product  catalog.Product
	Quantity int
}

// Read parses a price list. The first line is a header; lines starting with # are comments; tags are
// optional and separated by blanks.
func Read(r io.Reader) ([]Row, error) {
	cr := csv.NewReader(r)
	cr.Comment = '#'
	cr.FieldsPerRecord = -1
	if _, err := cr.Read(); err != nil {
		return nil, fmt.Errorf("price list header: %w", err)
	}
	var rows []Row
	for {
		record, err := cr.Read()
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		if err != nil {
			return nil, fmt.Errorf("price list: %w", err)
		}
		row, err := parseRow(record)
		if err != nil {
			line, _ := cr.FieldPos(0)
			return nil, fmt.Errorf("price list line %d: %w", line, err)
		}
		rows = append(rows, row)
	}
}

func parseRow(fields []string) (Row, error) {
	sku := strings.TrimSpace(fields[0])
	if sku == "" {
		return Row{}, errors.New("empty SKU")
	}
	price, err := strconv.ParseInt(strings.TrimSpace(fields[2]), 10, 64)
	if err != nil {
		return Row{}, fmt.Errorf("price of %s: %w", sku, err)
	}
	quantity, err := strconv.Atoi(strings.TrimSpace(fields[3]))
	if err != nil {
		return Row{}, fmt.Errorf("quantity of %s: %w", sku, err)
	}
	row := Row{
		Product:  catalog.Product{SKU: sku, Name: strings.TrimSpace(fields[1]), Price: price},
		Quantity: quantity,
	}
	if len(fields) > 4 {
		row.Product.Tags = strings.Fields(fields[4])
	}
	return row, nil
}
