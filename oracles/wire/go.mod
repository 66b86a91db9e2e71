module airtight.dev/oracles/wire

go 1.24.0
