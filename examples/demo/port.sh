# To be sourced: ports on the loopback interface.

# Prints a port that nothing listens on just now; the range lies below the one used for outgoing connections.
free_port() {
    local port
    for _ in {1..50}; do
        port=$((20000 + RANDOM % 12000))
        if ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
            echo "$port"
            return
        fi
    done
    die "found no free port on the loopback interface"
}
