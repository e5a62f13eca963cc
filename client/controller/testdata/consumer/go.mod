module example.com/consumer

go 1.26.8

require github.com/deis/deis v0.0.0

replace github.com/deis/deis => ../../../..
