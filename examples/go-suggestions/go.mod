module example.org/go-suggestions

go 1.21
