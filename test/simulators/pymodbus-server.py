"""A Modbus server on pymodbus, which shares no code with ours. Usage: pymodbus-server.py tcp PORT | rtu DEVICE BAUD.

Unit 1 answers; others do not. Holding registers, coils and discrete inputs 0 to 199 exist, and input registers 0 to 599.
"""

import asyncio
import sys

from pymodbus.datastore import ModbusSequentialDataBlock, ModbusServerContext, ModbusSlaveContext
from pymodbus.server import StartAsyncSerialServer, StartAsyncTcpServer
from pymodbus.transaction import ModbusRtuFramer


def unit():
    return ModbusSlaveContext(
        di=ModbusSequentialDataBlock(0, [1, 0] * 100),
        co=ModbusSequentialDataBlock(0, [0] * 200),
        hr=ModbusSequentialDataBlock(0, [0] * 200),
        ir=ModbusSequentialDataBlock(0, list(range(1000, 1600))),
        zero_mode=True,
    )


async def serve():
    context = ModbusServerContext(slaves={1: unit()}, single=False)
    if sys.argv[1] == "tcp":
        server = await StartAsyncTcpServer(
            context, address=("127.0.0.1", int(sys.argv[2])), ignore_missing_slaves=True, allow_reuse_address=True, defer_start=True
        )
        running = asyncio.ensure_future(server.serve_forever())
        await asyncio.sleep(0.2)
        print("ready", flush=True)
        await running
    else:
        server = await StartAsyncSerialServer(
            context,
            framer=ModbusRtuFramer,
            port=sys.argv[2],
            baudrate=int(sys.argv[3]),
            parity="N",
            timeout=0.005,
            ignore_missing_slaves=True,
            defer_start=True,
        )
        await server.start()
        print("ready", flush=True)
        await server.serve_forever()


asyncio.run(serve())
