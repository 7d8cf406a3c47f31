// The core with a register behind each input pin. Verilator then evaluates the core's logic once a cycle: with its
// inputs at the top it would do so for each change of an input and again for the clock edge. Without RESETTABLE the reset
// is never asserted, and its logic, an eighth of all, is optimised away.
module engine (
    input clk,
    input rst,
    input [63:0] now,
    input loop_closed,
    input [7:0] server_rx_data, input server_rx_dv, input server_rx_er,
    output [7:0] exchange_tx_data, output exchange_tx_en, output exchange_tx_er,
    input [7:0] exchange_rx_data, input exchange_rx_dv, input exchange_rx_er,
    output [7:0] server_tx_data, output server_tx_en, output server_tx_er,
    input uart_rx,
    output uart_tx,
    output [7:0] killed,
    output busy,
    output [63:0] deadline
);
    reg rst_pin = 0;
    reg [63:0] now_pin = 0;
    reg loop_closed_pin = 1;
    reg [7:0] server_rx_data_pin = 0, exchange_rx_data_pin = 0;
    reg server_rx_dv_pin = 0, server_rx_er_pin = 0, exchange_rx_dv_pin = 0, exchange_rx_er_pin = 0;
    reg uart_rx_pin = 1;

    always @(posedge clk) begin
        rst_pin <= rst;
        now_pin <= now;
        loop_closed_pin <= loop_closed;
        server_rx_data_pin <= server_rx_data;
        server_rx_dv_pin <= server_rx_dv;
        server_rx_er_pin <= server_rx_er;
        exchange_rx_data_pin <= exchange_rx_data;
        exchange_rx_dv_pin <= exchange_rx_dv;
        exchange_rx_er_pin <= exchange_rx_er;
        uart_rx_pin <= uart_rx;
    end

`ifdef RESETTABLE
    wire reset = rst_pin;
`else
    wire reset = 0;
`endif
    breakwire core (
        .clk(clk), .rst(reset), .now(now_pin), .loop_closed(loop_closed_pin),
        .server_rx_data(server_rx_data_pin), .server_rx_dv(server_rx_dv_pin), .server_rx_er(server_rx_er_pin),
        .exchange_tx_data(exchange_tx_data), .exchange_tx_en(exchange_tx_en), .exchange_tx_er(exchange_tx_er),
        .exchange_rx_data(exchange_rx_data_pin), .exchange_rx_dv(exchange_rx_dv_pin),
        .exchange_rx_er(exchange_rx_er_pin),
        .server_tx_data(server_tx_data), .server_tx_en(server_tx_en), .server_tx_er(server_tx_er),
        .uart_rx(uart_rx_pin), .uart_tx(uart_tx), .killed(killed), .busy(busy), .deadline(deadline)
    );
endmodule
