// Command gridcalc prints the values of a sheet.
//
//	gridcalc [-area A1:C4] [-source] FILE
package main

import (
	"flag"
	"fmt"
	"log"
	"os"

	"gridcalc.dev/grid"
)

func main() {
	area := flag.String("area", "A1:A9", "cells to print")
	source := flag.Bool("source", false, "print the formulas instead of the values")
	flag.Parse()
	log.SetPrefix("gridcalc: ")
	if flag.NArg() != 1 {
		flag.Usage()
		os.Exit(64)
	}
	if err := run(flag.Arg(0), *area, *source); err != nil {
		log.Fatalf("%s: %v", flag.Arg(0), err)
	}
}

func run(path, area string, source bool) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	log.Printf("reading %s", path)
	sheet, err := grid.Load(file)
	if err != nil {
		return err
	}
	cells, err := grid.ParseArea(area)
	if err != nil {
		return err
	}
	for _, ref := range cells.Cells() {
		if source {
			src, err := sheet.Source(ref)
			if err != nil {
				return err
			}
			fmt.Printf("%s = %s\n", ref, src)
			continue
		}
		v, err := sheet.Value(ref)
		if err != nil {
			return err
		}
		fmt.Printf("%s = %s\n", ref, v)
	}
	return nil
}
