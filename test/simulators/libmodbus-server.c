/* A Modbus server on libmodbus. Usage: libmodbus-server tcp PORT | rtu DEVICE BAUD PARITY UNIT.
 * Holding and input registers 100 to 163, coils and discrete inputs 0 to 63 exist. Prints "ready", then each write as "write FUNCTION ADDRESS". */
#include <errno.h>
#include <modbus.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int serve(modbus_t *context, modbus_mapping_t *mapping) {
  uint8_t query[MODBUS_TCP_MAX_ADU_LENGTH];
  for (;;) {
    int length = modbus_receive(context, query);
    if (length == -1) {
      if (errno == ECONNRESET || errno == EBADF || errno == EPIPE) return 0;
      continue;
    }
    if (length == 0) continue;
    int header = modbus_get_header_length(context);
    int function = query[header];
    int address = (query[header + 1] << 8) | query[header + 2];
    if (modbus_reply(context, query, length, mapping) == -1) return 0;
    if (function == 5 || function == 6 || function == 15 || function == 16) {
      printf("write %d %d\n", function, address);
      fflush(stdout);
    }
  }
}

int main(int argc, char **argv) {
  if (argc < 3) return 2;
  modbus_mapping_t *mapping = modbus_mapping_new_start_address(0, 64, 0, 64, 100, 64, 100, 64);
  if (mapping == NULL) return 1;
  for (int i = 0; i < 64; i++) {
    mapping->tab_input_registers[i] = 1000 + i;
    mapping->tab_input_bits[i] = i % 2;
  }
  int tcp = strcmp(argv[1], "tcp") == 0;
  modbus_t *context = tcp ? modbus_new_tcp("127.0.0.1", atoi(argv[2])) : modbus_new_rtu(argv[2], atoi(argv[3]), argv[4][0], 8, 1);
  if (context == NULL) return 1;
  if (!tcp) {
    modbus_set_slave(context, atoi(argv[5]));
    if (modbus_connect(context) == -1) return 1;
    printf("ready\n");
    fflush(stdout);
    for (;;) serve(context, mapping);
  }
  int listener = modbus_tcp_listen(context, 4);
  if (listener == -1) return 1;
  printf("ready\n");
  fflush(stdout);
  for (;;) {
    if (modbus_tcp_accept(context, &listener) == -1) return 1;
    serve(context, mapping);
    modbus_close(context);
  }
}
